//! What the head of a page says of itself.
//!
//! Reads as much HTML as that takes: the tags, the attributes of `meta`, the text of `title`. Invariant: any bytes are
//! read in one pass, to the end or to where they stop making sense.

use super::words;

/// Ratings by which a page calls itself unfit, in lower case.
const RATINGS: [&str; 4] = ["rta-5042-1996-1400-1577-rta", "adult", "mature", "restricted"];
/// Elements whose content is no markup.
const RAW: [&str; 4] = ["script", "style", "noscript", "textarea"];

/// Whether a value of `rating`, as a meta element or a header has it, means adults only.
pub(super) fn is_adult_rating(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    RATINGS.contains(&value.as_str())
}

/// Whether the page `html` says, or lets one see, that it is not safe for work.
pub(super) fn is_unsafe(html: &str) -> bool {
    // ASCII alone changes, so places in one are places in the other.
    let lower = html.to_ascii_lowercase();
    let (mut at, mut texts) = (0, Vec::new());
    while let Some(found) = lower[at..].find('<') {
        let start = at + found + 1;
        let rest = &lower[start..];
        if rest.starts_with("!--") {
            at = end_of(&lower, start, "-->");
            continue;
        }
        let name_length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let name = &rest[..name_length];
        let attributes = Attributes { text: &html[start + name_length..] };
        match name {
            "meta" => {
                let (meta, length) = attributes.read();
                if meta.says("rating") && is_adult_rating(&meta.content) {
                    return true;
                }
                if ["description", "keywords", "og:title", "og:description"]
                    .iter()
                    .any(|name| meta.says(name))
                {
                    texts.push(meta.content);
                }
                at = start + name_length + length;
            }
            "title" => {
                let (_, length) = attributes.read();
                let text = start + name_length + length;
                at = end_of(&lower, text, "</title");
                // The end's name with it, which says nothing.
                texts.push(html[text..at].to_owned());
            }
            raw if RAW.contains(&raw) => at = end_of(&lower, start, &format!("</{raw}")),
            "body" => break,
            _ => at = start,
        }
    }
    words::are_unsafe(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Behind the next `end`, or where the text ends.
fn end_of(text: &str, from: usize, end: &str) -> usize {
    text[from..].find(end).map_or(text.len(), |found| from + found + end.len())
}

/// What a `meta` element says.
#[derive(Debug, Default)]
struct Meta {
    name: String,
    content: String,
}

impl Meta {
    fn says(&self, name: &str) -> bool {
        self.name.trim().eq_ignore_ascii_case(name)
    }
}

struct Attributes<'a> {
    text: &'a str,
}

impl Attributes<'_> {
    /// The attributes up to `>`, and how many bytes they take with it.
    fn read(self) -> (Meta, usize) {
        let (text, mut meta, mut at) = (self.text, Meta::default(), 0);
        loop {
            at += text[at..].len()
                - text[at..].trim_start_matches(|c: char| c.is_whitespace() || c == '/').len();
            let rest = &text[at..];
            if rest.is_empty() || rest.starts_with('>') {
                return (meta, (at + 1).min(text.len()));
            }
            let name_end =
                rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
            // An equals sign where a name should begin belongs to the name.
            let name = &rest[..name_end.max(1).min(rest.len())];
            at += name.len();
            let rest = text[at..].trim_start();
            let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { continue };
            let start = text.len() - value.len();
            let (value, end) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let length = value[1..].find(quote).unwrap_or(value.len() - 1);
                    (&value[1..1 + length], (start + length + 2).min(text.len()))
                }
                _ => {
                    let length = value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len());
                    (&value[..length], start + length)
                }
            };
            if name.eq_ignore_ascii_case("name") || name.eq_ignore_ascii_case("property") {
                meta.name = value.to_owned();
            } else if name.eq_ignore_ascii_case("content") {
                meta.content = value.to_owned();
            }
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_titles_and_descriptions_speak() {
        for html in [
            "<html><head><meta name=\"rating\" content=\"RTA-5042-1996-1400-1577-RTA\">",
            "<META CONTENT='Adult' NAME='Rating'/>",
            "<meta name=rating content=mature>",
            "<meta\n  name = \"rating\"\n  content = \"adult\"\n>",
            "<title>Free porn videos</title>",
            "<TITLE lang=en>Hentai \u{1f600}</TITLE><p>",
            "<title>\u{0130}\u{0130} porn</title>",
            "<meta name=\"description\" content=\"naked and sexy people\">",
            "<meta property=\"og:title\" content='nsfw > all'>",
            "<title>sexy</title><meta name=description content=nudes>",
            "<title>porn",
            "<script>var a = '<title>';</script><title>porn</title>",
            "<meta ==a name=rating content=adult",
        ] {
            assert!(is_unsafe(html), "{html}");
        }
    }

    #[test]
    fn what_is_no_word_of_the_head_says_nothing() {
        for html in [
            "",
            "<",
            "<meta",
            "<meta name=",
            "<meta name=\"rating\" content=\"",
            "<meta =",
            "<title",
            "<title>Analysis in Essex</title>",
            "<!-- <meta name=rating content=adult> --><title>Safe</title>",
            "<script>'<meta name=rating content=adult>'</script>",
            "<meta name=rating content=general>",
            "<meta name=author content=porn>",
            "<title>Safe</title><body><title>porn</title>",
            "<title>sex education</title>",
        ] {
            assert!(!is_unsafe(html), "{html}");
        }
    }

    #[test]
    fn no_cut_of_a_page_is_too_much() {
        let page = "<!doctype html><!-- \u{fc} --><meta name='a\u{1f600}' content=\"x\"><title>\u{e9}\u{e9}</title><style>a</style>";
        for (cut, _) in page.char_indices() {
            assert!(!is_unsafe(&page[..cut]) && !is_unsafe(&page[cut..]));
        }
    }
}
