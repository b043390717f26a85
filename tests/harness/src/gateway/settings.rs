//! Places the settings of a test where TOML requires them.

/// Moves dotted keys of `[events]`, `[delivery]`, `[portal]` and `[doctor]`, such as `delivery.attempt = "1s"`, which tests write next to a
/// route's settings, before the first section.
pub fn with_dotted_keys_first(text: &str) -> String {
    let is_dotted = |line: &&str| SECTIONS.iter().any(|section| line.starts_with(section));
    let (dotted, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(is_dotted);
    dotted.into_iter().chain(rest).flat_map(|line| [line, "\n"]).collect()
}

const SECTIONS: [&str; 5] = ["events.", "delivery.", "portal.", "doctor.", "reconciliation."];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_come_before_sections() {
        let text = "[[routes]]\nname = \"a\"\nevents.path = \"x\"\n[tenants]\nportal.allow = []\n";

        let ordered = with_dotted_keys_first(text);

        assert_eq!(ordered, "events.path = \"x\"\nportal.allow = []\n[[routes]]\nname = \"a\"\n[tenants]\n");
    }
}
