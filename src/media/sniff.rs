//! The type of a file by its content.
//!
//! Invariant: what is not [`Class::File`] holds no script that a browser would run, and may be shown where it stands.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageReader, Limits};

/// Bytes from a file's start that are enough to tell what it is. Pictures carry metadata before their size.
pub const HEAD_BYTES: usize = 256 * 1024;

/// Bytes that a decoder may take to read an image's head.
const MAX_HEAD_ALLOC: u64 = 4 << 20;

const UNKNOWN: Kind = Kind { mime: "application/octet-stream", class: Class::File, dimensions: None };

/// What a file is to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A raster image that every browser shows.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else; to be saved, never to be shown.
    File,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its media type.
    pub mime: &'static str,
    /// What it is to a person.
    pub class: Class,
    /// Width and height as shown, of an image.
    pub dimensions: Option<(u32, u32)>,
}

/// Tells what a file is from its first [`HEAD_BYTES`].
pub fn sniff(head: &[u8]) -> Kind {
    let Some(found) = infer::get(head) else { return UNKNOWN };
    let mime = found.mime_type();
    if let Some(format) = raster_format(mime) {
        // A few magic bytes make no image: it must have a size.
        let kind = |dimensions| Kind { mime, class: Class::Image, dimensions: Some(dimensions) };
        return dimensions(format, head).map_or(UNKNOWN, kind);
    }
    let class = match found.matcher_type() {
        infer::MatcherType::Video => Class::Video,
        infer::MatcherType::Audio => Class::Audio,
        // Pages and scripts: what they are is nobody's business until they are saved.
        infer::MatcherType::Text => return UNKNOWN,
        _ => Class::File,
    };
    Kind { mime: registered(mime), class, dimensions: None }
}

/// The formats that every browser shows and that we decode.
pub(super) fn raster_format(mime: &str) -> Option<ImageFormat> {
    match mime {
        "image/png" => Some(ImageFormat::Png),
        "image/jpeg" => Some(ImageFormat::Jpeg),
        "image/gif" => Some(ImageFormat::Gif),
        "image/webp" => Some(ImageFormat::WebP),
        _ => None,
    }
}

/// infer's names for sound, as registered: with `nosniff` browsers go by the name.
fn registered(mime: &'static str) -> &'static str {
    match mime {
        "audio/m4a" => "audio/mp4",
        "audio/opus" => "audio/ogg",
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        other => other,
    }
}

fn dimensions(format: ImageFormat, head: &[u8]) -> Option<(u32, u32)> {
    if format == ImageFormat::WebP {
        return webp_dimensions(head);
    }
    // A decoder that fails on hostile bytes, however badly, has found no image.
    let (width, height, orientation) = catch_unwind(|| read_head(format, head)).ok().flatten()?;
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let shown = if turned { (height, width) } else { (width, height) };
    (width > 0 && height > 0).then_some(shown)
}

fn read_head(format: ImageFormat, head: &[u8]) -> Option<(u32, u32, Orientation)> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_HEAD_ALLOC);
    let mut reader = ImageReader::with_format(Cursor::new(head), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    Some((width, height, decoder.orientation().unwrap_or(Orientation::NoTransforms)))
}

/// The size in the first chunk (RFC 9649, 2.5 to 2.7). The decoder wants the whole file for that.
fn webp_dimensions(head: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    if !head.starts_with(b"RIFF") || head.get(8..12)? != b"WEBP" {
        return None;
    }
    match head.get(12..16)? {
        b"VP8X" => Some((number(24, 3)? + 1, number(27, 3)? + 1)),
        b"VP8L" if head.get(20) == Some(&0x2f) => {
            let sizes = number(21, 4)?;
            Some(((sizes & 0x3fff) + 1, (sizes >> 14 & 0x3fff) + 1))
        }
        b"VP8 " if head.get(23..26)? == [0x9d, 0x01, 0x2a] => {
            let (width, height) = (number(26, 2)? & 0x3fff, number(28, 2)? & 0x3fff);
            (width > 0 && height > 0).then_some((width, height))
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::media::avatar::samples;

    fn class(head: &[u8]) -> (Class, &'static str) {
        let kind = sniff(head);
        (kind.class, kind.mime)
    }

    #[test]
    fn raster_images_are_told_with_their_size() {
        for (format, mime) in [
            (ImageFormat::Png, "image/png"),
            (ImageFormat::Jpeg, "image/jpeg"),
            (ImageFormat::Gif, "image/gif"),
            (ImageFormat::WebP, "image/webp"),
        ] {
            let bytes = samples::picture(format, 31, 17);
            let expected = Kind { mime, class: Class::Image, dimensions: Some((31, 17)) };
            assert_eq!(sniff(&bytes), expected);
            // A file's start is enough.
            let large = samples::picture(format, 300, 200);
            let start = large.len().min(2000);
            assert_eq!(sniff(&large[..start]).dimensions, Some((300, 200)), "{mime}");
        }
        let turned = samples::jpeg_with_exif(30, 20, 6);
        assert_eq!(sniff(&turned).dimensions, Some((20, 30)));
    }

    #[test]
    fn all_three_kinds_of_webp_have_their_size_at_the_front() {
        let extended =
            [b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".as_slice(), &[0x1f, 3, 0, 0x57, 2, 0]].concat();
        assert_eq!(sniff(&extended).dimensions, Some((800, 600)));
        let lossy =
            [b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a".as_slice(), &[0x20, 3, 0x58, 2]].concat();
        assert_eq!(sniff(&lossy).dimensions, Some((800, 600)));
        for length in 0..extended.len() {
            assert_eq!(sniff(&extended[..length]).class, Class::File);
        }
    }

    #[test]
    fn sound_and_moving_pictures_are_told() {
        for (head, expected) in [
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".as_slice(), (Class::Video, "video/mp4")),
            (b"RIFF\x24\0\0\0WAVEfmt ", (Class::Audio, "audio/wav")),
            (b"ID3\x03\0\0\0\0\0\0", (Class::Audio, "audio/mpeg")),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0", (Class::Audio, "audio/ogg")),
        ] {
            assert_eq!(class(head), expected);
        }
    }

    #[test]
    fn what_a_browser_would_run_or_render_is_a_file() {
        for head in [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".as_slice(),
            b"<?xml version=\"1.0\"?><svg/>",
            b"<!DOCTYPE html><html><script>alert(1)</script>",
            b"<html>",
            b"#!/bin/sh\nrm -rf",
            b"plain text",
            b"",
            b"GIF is a file format",
            b"\x89PNG but not really",
            b"\xff\xd8\xff\xe0 no more",
        ] {
            assert_eq!(class(head), (Class::File, "application/octet-stream"));
        }
        assert_eq!(class(b"%PDF-1.7\n"), (Class::File, "application/pdf"));
        assert_eq!(class(b"PK\x03\x04\x14\0\0\0").0, Class::File);
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let png = samples::picture(ImageFormat::Png, 10, 10);
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let bytes = samples::picture(format, 40, 30);
            for cut in 0..bytes.len().min(200) {
                let _ = sniff(&bytes[..cut]);
                let spliced = [&bytes[..cut], &png].concat();
                let _ = sniff(&spliced);
            }
        }
        assert!(raster_format("image/svg+xml").is_none());
        assert_eq!(sniff(&png).dimensions.unwrap(), (10, 10));
    }
}
