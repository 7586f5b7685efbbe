//! Pictures made on the spot, honest and otherwise. Shared with the unit tests of `src/media`.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// What the metadata of [`jpeg_with_exif`] says, which nobody should get to see.
pub const SECRET: &[u8] = b"48.8584N 2.2945E";

/// An opaque picture: red to the right, green downwards.
pub fn picture(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let shade = |at: u32, of: u32| (at * 255 / of.max(1)) as u8;
    let pixels = RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, width), shade(y, height), 40]));
    encoded(pixels.into(), format)
}

/// A picture that is clear on its left half.
pub fn half_clear(format: ImageFormat, side: u32) -> Vec<u8> {
    let pixels =
        RgbaImage::from_fn(side, side, |x, _| Rgba([200, 10, 10, if x < side / 2 { 0 } else { 255 }]));
    encoded(pixels.into(), format)
}

/// A large picture of one colour, in a few kilobytes.
pub fn flat_png(width: u32, height: u32) -> Vec<u8> {
    encoded(RgbImage::from_pixel(width, height, Rgb([9, 90, 200])).into(), ImageFormat::Png)
}

fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG, red on the left and blue on the right as stored, whose EXIF has an orientation and a place.
pub fn jpeg_with_exif(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let half = |x: u32, _| if x < width / 2 { Rgb([220, 0, 0]) } else { Rgb([0, 0, 220]) };
    let jpeg = encoded(RgbImage::from_fn(width, height, half).into(), ImageFormat::Jpeg);
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    // The image description, which stands behind the directory.
    tiff.extend([0x01, 0x0e, 0, 2, 0, 0, 0, SECRET.len() as u8, 0, 0, 0, 38]);
    tiff.extend([0; 4]);
    tiff.extend(SECRET);
    let exif = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// A PNG of a hundred bytes that claims a size.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes(), body.as_slice(), &crc(&body).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes(), &height.to_be_bytes(), [8, 2, 0, 0, 0].as_slice()].concat();
    let nothing = [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1];
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", &nothing), chunk(b"IEND", &[])];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()
}

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ crc >> 1 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
