//! Answers with a stored object: whole, a range of it, or the word that the client has it already.
//!
//! Invariants: the object is never whole in memory; whatever is in it, no browser runs it (a type that is said and not
//! guessed, a policy that allows nothing). Names of objects never come again, so a name is its object's `ETag`.

use std::convert::Infallible;
use std::fmt::Write;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, EntityTag, Header, HeaderValue, IfNoneMatch};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream;

use super::error::ApiError;
use crate::storage::{ObjectName, Storage};

/// Nothing is loaded, nothing runs, and what is shown has no origin.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// Characters of RFC 8187's `attr-char` besides letters and digits.
const ATTR_CHARS: &[u8] = b"!#$&+-.^_`|~";

/// How an object is presented.
#[derive(Debug, Clone, Copy)]
pub struct Presentation<'a> {
    /// `Content-Type`.
    pub mime: &'a str,
    /// `Cache-Control`.
    pub cache_control: &'static str,
    /// The name to save it by, and whether it may be shown where it stands; without one nothing is said about that.
    pub file_name: Option<(&'a str, Place)>,
}

/// Where a file belongs (RFC 6266, 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the page.
    Inline,
    /// On the disk.
    Attachment,
}

/// The answer to a GET or HEAD of `name`.
pub async fn answer(
    request: &HttpRequest,
    storage: &Storage,
    name: &ObjectName,
    presentation: Presentation<'_>,
) -> Result<HttpResponse, ApiError> {
    let tag = EntityTag::new_strong(name.last_segment().to_owned());
    if is_known(request, &tag) {
        storage.size(name).await?;
        return Ok(headed(StatusCode::NOT_MODIFIED, &tag, presentation).finish());
    }
    let wanted = wanted_range(request, &tag);
    if wanted.is_none() && request.method() != Method::HEAD {
        let stored = storage.open_object(name, None).await?;
        let body = SizedStream::new(stored.size, stored.chunks);
        return Ok(headed(StatusCode::OK, &tag, presentation).body(body));
    }
    let size = storage.size(name).await?;
    // HEAD is answered as without a range, which only GET has (RFC 9110, 14.2).
    if request.method() == Method::HEAD {
        let nothing = SizedStream::new(size, stream::empty::<Result<Bytes, Infallible>>());
        return Ok(headed(StatusCode::OK, &tag, presentation).body(nothing));
    }
    let Some((first, last)) = wanted.and_then(|wanted| wanted.within(size)) else {
        let mut refusal = HttpResponse::RangeNotSatisfiable();
        return Ok(refusal.insert_header((header::CONTENT_RANGE, format!("bytes */{size}"))).finish());
    };
    let stored = storage.open_object(name, Some(first..last + 1)).await?;
    let body = SizedStream::new(stored.range.end - stored.range.start, stored.chunks);
    let mut partial = headed(StatusCode::PARTIAL_CONTENT, &tag, presentation);
    partial.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
    Ok(partial.body(body))
}

fn headed(status: StatusCode, tag: &EntityTag, presentation: Presentation<'_>) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::CACHE_CONTROL, presentation.cache_control))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    if status != StatusCode::NOT_MODIFIED {
        builder.content_type(presentation.mime).insert_header((header::ACCEPT_RANGES, "bytes"));
    }
    if let Some((name, place)) = presentation.file_name {
        builder.insert_header((header::CONTENT_DISPOSITION, disposition(name, place)));
    }
    builder
}

/// Whether the client has what `tag` stands for (RFC 9110, 13.1.2).
pub(super) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// One range of bytes, as asked for (RFC 9110, 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (unit.trim().eq_ignore_ascii_case("bytes"), first, last) {
            (false, ..) => None,
            (true, "", last) => number(last).map(Self::Last),
            (true, first, "") => number(first).map(Self::From),
            (true, first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// First and last byte of what there is of it in `size` bytes.
    fn within(self, size: u64) -> Option<(u64, u64)> {
        let end = size.checked_sub(1)?;
        match self {
            Self::From(first) => (first <= end).then_some((first, end)),
            Self::FromTo(first, last) => (first <= end).then_some((first, last.min(end))),
            Self::Last(0) => None,
            Self::Last(count) => Some((size.saturating_sub(count), end)),
        }
    }
}

/// The range that shall be answered. What is malformed, several at once, or of another version is answered whole, as the
/// RFC allows.
fn wanted_range(request: &HttpRequest, tag: &EntityTag) -> Option<Wanted> {
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let wanted = Wanted::parse(header(header::RANGE)?)?;
    match request.headers().get(header::IF_RANGE) {
        Some(condition) if condition.as_bytes() != tag.to_string().as_bytes() => None,
        _ => Some(wanted),
    }
}

/// `Content-Disposition` (RFC 6266) with the name twice if need be: for everybody, and for who can read it.
fn disposition(name: &str, place: Place) -> String {
    let kind = match place {
        Place::Inline => "inline",
        Place::Attachment => "attachment",
    };
    let plain = |c: char| c == ' ' || c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%');
    let fallback: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut value = format!("{kind}; filename=\"{fallback}\"");
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || ATTR_CHARS.contains(&byte) {
                value.push(char::from(byte));
            } else {
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    value
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_reach_those_who_read_ascii_and_those_who_read_more() {
        let attached = |name| disposition(name, Place::Attachment);
        assert_eq!(attached("a report.pdf"), "attachment; filename=\"a report.pdf\"");
        assert_eq!(
            attached("Bücher \"50%\".pdf"),
            "attachment; filename=\"B_cher _50__.pdf\"; filename*=UTF-8''B%C3%BCcher%20%2250%25%22.pdf"
        );
        assert_eq!(
            disposition("写真.jpg", Place::Inline),
            "inline; filename=\"__.jpg\"; filename*=UTF-8''%E5%86%99%E7%9C%9F.jpg"
        );
        assert!(HeaderValue::from_str(&attached("a\r\nSet-Cookie: b\0")).is_ok());
    }

    #[test]
    fn ranges_are_parsed_as_the_rfc_has_them() {
        for (text, expected) in [
            ("bytes=0-0", Some(Wanted::FromTo(0, 0))),
            ("Bytes= 5-", Some(Wanted::From(5))),
            ("bytes=-3", Some(Wanted::Last(3))),
            ("bytes=9-99999999999999999999999", Some(Wanted::FromTo(9, u64::MAX))),
            ("bytes=5-4", None),
            ("bytes=-", None),
            ("bytes=1-2,4-5", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
            ("bytes", None),
        ] {
            assert_eq!(Wanted::parse(text), expected, "{text}");
        }
        let within = |text, size| Wanted::parse(text).unwrap().within(size);
        assert_eq!(within("bytes=2-99", 10), Some((2, 9)));
        assert_eq!(within("bytes=-99", 10), Some((0, 9)));
        for (text, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-1", 0)] {
            assert_eq!(within(text, size), None, "{text} of {size}");
        }
    }
}
