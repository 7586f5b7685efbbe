//! A picture from a stranger, made small, square and free of metadata.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::sniff::raster_format;
use crate::actor::AskError;

/// Width and height of what comes out.
pub const SIDE: u32 = 256;
const JPEG_QUALITY: u8 = 85;
/// Beyond this many sides a cheap average comes before the good filter.
const COARSE: u32 = 2 * SIDE;
/// Bytes per pixel that a decoder may take: the picture, and as much again to work with.
const DECODER_BYTES: u64 = 8;
/// Bytes per pixel of the picture itself: red, green, blue, alpha.
const PIXEL_BYTES: u64 = 4;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Not one of the formats that we decode.
    #[error("must be a PNG, JPEG, GIF or WebP picture")]
    Unsupported,
    /// More pixels than allowed.
    #[error("must have at most {0} pixels")]
    TooManyPixels(u64),
    /// Truncated or otherwise not what its header says.
    #[error("is damaged: it cannot be decoded")]
    Damaged,
    /// All painters are busy.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A picture of [`SIDE`] by [`SIDE`].
#[derive(Debug, Clone)]
pub struct Picture {
    /// The encoded picture.
    pub bytes: Bytes,
    /// `png` where something shines through, else `jpg`.
    pub extension: &'static str,
}

/// The media type of a [`Picture`], by its extension.
pub fn mime_of(extension: &str) -> Option<&'static str> {
    match extension {
        "png" => Some("image/png"),
        "jpg" => Some("image/jpeg"),
        _ => None,
    }
}

/// The middle square of the picture in `bytes`, upright, scaled and encoded anew.
pub fn prepare(bytes: &[u8], max_pixels: u64) -> Result<Picture, PictureError> {
    let format = infer::get(bytes).and_then(|found| raster_format(found.mime_type()));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.ok_or(PictureError::Unsupported)?);
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_pixels.saturating_mul(DECODER_BYTES));
    reader.limits(limits);
    let failed = |error| refusal(&error, max_pixels);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels
        || decoder.total_bytes() > max_pixels.saturating_mul(PIXEL_BYTES)
    {
        return Err(PictureError::TooManyPixels(max_pixels));
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = square(DynamicImage::from_decoder(decoder).map_err(failed)?)?;
    picture.apply_orientation(orientation);
    encode(picture).map_err(failed)
}

fn refusal(error: &ImageError, max_pixels: u64) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooManyPixels(max_pixels),
        _ => PictureError::Damaged,
    }
}

/// The middle square, scaled.
fn square(mut picture: DynamicImage) -> Result<DynamicImage, PictureError> {
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    if side == 0 {
        return Err(PictureError::Damaged);
    }
    if width != height {
        picture = picture.crop_imm((width - side) / 2, (height - side) / 2, side, side);
    }
    if side > 2 * COARSE {
        picture = picture.thumbnail_exact(COARSE, COARSE);
    }
    Ok(picture.resize_exact(SIDE, SIDE, FilterType::Lanczos3))
}

fn encode(picture: DynamicImage) -> Result<Picture, ImageError> {
    let picture = picture.into_rgba8();
    let opaque = picture.pixels().all(|pixel| pixel.0[3] == u8::MAX);
    let picture = DynamicImage::from(picture);
    let mut bytes = Vec::new();
    let extension = if opaque {
        picture.into_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
        "jpg"
    } else {
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        "png"
    };
    Ok(Picture { bytes: bytes.into(), extension })
}

#[cfg(test)]
#[path = "../../tests/support/pictures.rs"]
#[expect(clippy::unwrap_used, unreachable_pub, reason = "shared with the API tests")]
pub(super) mod samples;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const MAX_PIXELS: u64 = 50_000_000;

    fn painted(bytes: &[u8]) -> (&'static str, DynamicImage) {
        let picture = prepare(bytes, MAX_PIXELS).unwrap();
        let decoded = image::load_from_memory(&picture.bytes).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (SIDE, SIDE));
        (picture.extension, decoded)
    }

    fn refused(bytes: &[u8]) -> PictureError {
        prepare(bytes, MAX_PIXELS).unwrap_err()
    }

    #[test]
    fn every_format_comes_out_square_and_small() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            for (width, height) in [(1, 1), (10, 300), (256, 256), (700, 500)] {
                let (extension, picture) = painted(&samples::picture(format, width, height));
                assert_eq!(extension, "jpg", "{format:?} {width}x{height}");
                let middle = picture.to_rgb8().get_pixel(SIDE / 2, SIDE / 2).0;
                assert!(
                    width < 200 || middle[0].abs_diff(128) < 20,
                    "{format:?} {width}x{height}: {middle:?}"
                );
            }
        }
    }

    #[test]
    fn what_shines_through_stays_clear() {
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
            let (extension, picture) = painted(&samples::half_clear(format, 600));
            let picture = picture.to_rgba8();
            assert_eq!((extension, picture.get_pixel(20, 128).0[3]), ("png", 0));
            assert_eq!(picture.get_pixel(236, 128).0[3], 255);
        }
    }

    #[test]
    fn a_picture_stands_upright_and_its_metadata_is_gone() {
        let sent = samples::jpeg_with_exif(400, 400, 6);
        assert!(sent.windows(samples::SECRET.len()).any(|window| window == samples::SECRET));
        let picture = prepare(&sent, MAX_PIXELS).unwrap();
        assert!(!picture.bytes.windows(4).any(|window| window == b"Exif"));
        assert!(!picture.bytes.windows(samples::SECRET.len()).any(|window| window == samples::SECRET));
        // Turned right by a quarter: the red left side is on top.
        let upright = image::load_from_memory(&picture.bytes).unwrap().to_rgb8();
        let (top, bottom) = (upright.get_pixel(128, 30).0, upright.get_pixel(128, 226).0);
        assert!(top[0] > 180 && top[2] < 60 && bottom[2] > 180 && bottom[0] < 60, "{top:?} {bottom:?}");
    }

    #[test]
    fn pixels_are_counted_before_they_are_decoded() {
        let started = std::time::Instant::now();
        for (width, height) in [(60_000, 60_000), (7_072, 7_071), (u32::MAX >> 1, 1), (50_000_001, 1)] {
            let outcome = refused(&samples::png_claiming(width, height));
            assert!(
                matches!(outcome, PictureError::TooManyPixels(MAX_PIXELS)),
                "{width}x{height}: {outcome:?}"
            );
        }
        let webp = [b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".as_slice(), &[0xff; 6]].concat();
        assert!(matches!(refused(&webp), PictureError::TooManyPixels(_) | PictureError::Damaged));
        assert!(started.elapsed().as_millis() < 500);
        assert!(matches!(refused(&samples::png_claiming(7_000, 7_000)), PictureError::Damaged));
    }

    #[test]
    fn the_largest_picture_allowed_is_painted() {
        let (extension, picture) = painted(&samples::flat_png(7_071, 7_071));
        assert_eq!(extension, "jpg");
        assert!(picture.to_rgb8().get_pixel(9, 9).0[2] > 180);
    }

    #[test]
    fn other_formats_are_not_tried() {
        for bytes in [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".as_slice(),
            b"<html><img></html>",
            b"text",
            b"",
            b"BM\x1e\0\0\0\0\0\0\0",
            b"%PDF-1.7",
            b"II\x2a\0\x08\0\0\0\0\0",
        ] {
            assert!(matches!(refused(bytes), PictureError::Unsupported), "{bytes:?}");
        }
    }

    #[test]
    fn truncated_pictures_are_refused_or_painted_and_nothing_else() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let bytes = samples::picture(format, 64, 48);
            assert!(prepare(&bytes[..40.min(bytes.len())], MAX_PIXELS).is_err(), "{format:?}");
            // A JPEG is shown as far as it goes.
            let half = prepare(&bytes[..bytes.len() / 2], MAX_PIXELS);
            assert!(half.is_err() || format == ImageFormat::Jpeg, "{format:?}");
            for cut in (0..bytes.len()).step_by(7) {
                let _ = prepare(&bytes[..cut], MAX_PIXELS);
            }
        }
    }

    #[test]
    fn of_a_polyglot_only_the_picture_survives() {
        let script = b"<script>alert(1)</script>";
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif] {
            let sent = [samples::picture(format, 50, 50).as_slice(), script].concat();
            let picture = prepare(&sent, MAX_PIXELS).unwrap();
            assert!(!picture.bytes.windows(script.len()).any(|window| window == script), "{format:?}");
        }
    }
}
