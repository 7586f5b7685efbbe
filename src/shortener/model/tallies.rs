//! How many clicks reached the long URL, by hour, day, referrer and class of user agent.

/// Sums of clicks, each list as its owner would read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Hours since 1970 in UTC, the newest first; the last week at least.
    pub hours: Vec<(u64, u64)>,
    /// Days since 1970 in UTC, the newest first; the last 400 at least.
    pub days: Vec<(u64, u64)>,
    /// Hosts of the pages that visitors came from, most clicks first; an empty one is none.
    pub referrers: Vec<(String, u64)>,
    /// Clicks from hosts that there was no room for.
    pub other_referrers: u64,
    /// Classes of user agents, most clicks first.
    pub agents: Vec<(String, u64)>,
}

impl Tallies {
    /// Sorts fields as they are kept: a letter for the kind, and of what.
    pub fn of_fields(fields: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut tallies = Self::default();
        for (field, clicks) in fields {
            let Some((kind, rest)) = field.split_at_checked(1) else { continue };
            match (kind, rest.parse()) {
                ("h", Ok(hour)) => tallies.hours.push((hour, clicks)),
                ("d", Ok(day)) => tallies.days.push((day, clicks)),
                ("r", _) => tallies.referrers.push((rest.to_owned(), clicks)),
                ("a", _) => tallies.agents.push((rest.to_owned(), clicks)),
                ("o", _) => tallies.other_referrers = clicks,
                _ => {}
            }
        }
        tallies.hours.sort_unstable_by(|one, other| other.cmp(one));
        tallies.days.sort_unstable_by(|one, other| other.cmp(one));
        for list in [&mut tallies.referrers, &mut tallies.agents] {
            list.sort_unstable_by(|(name, clicks), (other, fewer)| fewer.cmp(clicks).then(name.cmp(other)));
        }
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_finds_its_list_in_its_order() {
        let fields = [
            ("h2", 1),
            ("h10", 2),
            ("d1", 3),
            ("r", 4),
            ("ra.example", 4),
            ("rb.example", 9),
            ("abot", 1),
            ("o", 7),
            ("?", 1),
        ];
        let tallies = Tallies::of_fields(fields.map(|(field, clicks)| (field.to_owned(), clicks)));
        assert_eq!(tallies.hours, [(10, 2), (2, 1)]);
        assert_eq!(tallies.days, [(1, 3)]);
        let referrers: Vec<_> =
            tallies.referrers.iter().map(|(host, clicks)| (host.as_str(), *clicks)).collect();
        assert_eq!(referrers, [("b.example", 9), ("", 4), ("a.example", 4)]);
        assert_eq!((tallies.other_referrers, tallies.agents), (7, vec![("bot".to_owned(), 1)]));
    }
}
