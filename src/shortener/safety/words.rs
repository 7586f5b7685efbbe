//! Words by which a text gives itself away as not safe for work.
//!
//! Invariant: only whole words count. Essex, cockpit, Scunthorpe, analysis and sextant are words too, and others.

use std::collections::HashSet;

/// One of these is enough.
const PLAIN: [&str; 48] = [
    "bangbros",
    "blowjob",
    "blowjobs",
    "bukkake",
    "camgirl",
    "camgirls",
    "camsex",
    "camwhore",
    "camwhores",
    "creampie",
    "creampies",
    "cumshot",
    "cumshots",
    "cunnilingus",
    "deepthroat",
    "dildo",
    "dildos",
    "fellatio",
    "femdom",
    "freeporn",
    "futanari",
    "gangbang",
    "gangbangs",
    "gloryhole",
    "handjob",
    "handjobs",
    "hentai",
    "livesex",
    "masturbating",
    "masturbation",
    "milf",
    "milfs",
    "nsfw",
    "pegging",
    "porn",
    "pornhub",
    "porno",
    "pornos",
    "pornstar",
    "pornstars",
    "rimjob",
    "sexcam",
    "sexcams",
    "sextape",
    "sextapes",
    "threesome",
    "upskirt",
    "xvideos",
];
/// These have other meanings as well: two different ones are enough.
const DOUBTFUL: [&str; 38] = [
    "adult",
    "anal",
    "ass",
    "bdsm",
    "boobs",
    "busty",
    "cock",
    "cocks",
    "cum",
    "cunt",
    "dick",
    "dicks",
    "erotic",
    "erotica",
    "escort",
    "escorts",
    "fetish",
    "fuck",
    "fucked",
    "fucking",
    "horny",
    "naked",
    "nude",
    "nudes",
    "nudity",
    "orgasm",
    "orgy",
    "pussy",
    "sex",
    "sexy",
    "shemale",
    "slut",
    "sluts",
    "striptease",
    "tits",
    "topless",
    "whore",
    "xxx",
];
/// Top-level domains that are kept for it.
const DOMAINS: [&str; 4] = ["adult", "porn", "sex", "xxx"];

/// Whether the words of `texts`, taken together, are not safe for work.
pub(super) fn are_unsafe(texts: &[&str]) -> bool {
    let mut doubtful = HashSet::new();
    for text in texts {
        let text = text.to_lowercase();
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            if PLAIN.binary_search(&word).is_ok() {
                return true;
            }
            if let Ok(place) = DOUBTFUL.binary_search(&word) {
                doubtful.insert(place);
            }
        }
    }
    doubtful.len() > 1
}

/// Whether host and path of `url` say so.
pub(super) fn of_url(url: &url::Url) -> bool {
    let host = url.domain().unwrap_or_default().trim_end_matches('.');
    if host.rsplit('.').next().is_some_and(|domain| DOMAINS.contains(&domain)) {
        return true;
    }
    let (host, _) = idna::domain_to_unicode(host);
    // Read as a form: its `%XX` become characters, and what else has a meaning there separates words anyway.
    let pairs = url::form_urlencoded::parse(url.path().as_bytes());
    let path: Vec<String> = pairs.flat_map(|(key, value)| [key.into_owned(), value.into_owned()]).collect();
    let texts: Vec<&str> = path.iter().map(String::as_str).chain([host.as_str()]).collect();
    are_unsafe(&texts)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn judge(url: &str) -> bool {
        of_url(&url::Url::parse(url).unwrap())
    }

    #[test]
    fn the_lists_are_in_order_so_that_they_can_be_searched() {
        assert!(PLAIN.is_sorted() && DOUBTFUL.is_sorted());
    }

    #[test]
    fn words_within_words_are_safe() {
        for url in [
            "https://www.essex.ac.uk/",
            "https://example.com/a320-cockpit/view",
            "https://scunthorpe.example/penistone",
            "https://example.com/analysis/sextant",
            "https://example.com/cockatoo-dickens-titanic-assassin-cumulus",
            "https://middlesex.example/sussex/hotel",
            "https://example.com/popcorn/unicorn.html",
            "https://example.com/pornic-france",
        ] {
            assert!(!judge(url), "{url}");
        }
    }

    #[test]
    fn one_word_with_other_meanings_is_safe() {
        for url in [
            "https://example.com/health/sex-education",
            "https://example.com/dick-cheney",
            "https://example.com/super-bowl-xxx",
            "https://example.com/sex/sex/sex",
            "https://example.com/magna-cum-laude",
            "https://example.com/adult-learning",
            "https://example.com/?q=porn+nsfw",
        ] {
            assert!(!judge(url), "{url}");
        }
    }

    #[test]
    fn plain_words_and_two_doubtful_ones_are_not_safe() {
        for url in [
            "https://porn.example/",
            "https://free-PORN.example.com/",
            "https://example.com/Best_Hentai.html",
            "https://example.com/a/%70orn",
            "https://example.com/porn2024",
            "https://example.com/sexy-naked-people",
            "https://sexy.example.com/nudes/",
            "https://example.com/nsfw",
            "https://anything.xxx/",
            "https://anything.porn./",
        ] {
            assert!(judge(url), "{url}");
        }
    }
}
