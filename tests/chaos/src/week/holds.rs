//! When the deliveries of tenants were held, as the log says: from the line that begins a hold to the one that ends it.

use std::collections::HashMap;

use super::customers::Known;
use super::log::{Line, Says};
use super::stalls::Span;

/// A hold without an end so far.
struct Open {
    customer: usize,
    from: u64,
}

/// The holds of each customer. A hold ends with the line that says so, with the process, and for its customer with the
/// tenant's name. An event that is delivered ends it, too: a gateway that forgets to say so explains nothing by it.
pub(super) fn holds(lines: &[Line], known: &Known) -> HashMap<usize, Vec<Span>> {
    let (mut open, mut ended): (HashMap<&str, Open>, HashMap<usize, Vec<Span>>) = Default::default();
    let mut end = |hold: Open, at: u64| {
        let renamed = known.renamed(hold.customer, hold.from).unwrap_or(u64::MAX);
        ended.entry(hold.customer).or_default().push((hold.from, at.min(renamed)));
    };
    for line in lines {
        let tenant = line.tenant.as_str();
        match line.says {
            Says::Held => {
                let Some(customer) = known.customer(tenant, line.at) else { continue };
                // A name that goes to another customer while it is held stays held, and a line says so.
                if open.get(tenant).is_some_and(|hold| hold.customer != customer)
                    && let Some(hold) = open.remove(tenant)
                {
                    end(hold, line.at);
                }
                open.entry(tenant).or_insert(Open { customer, from: line.at });
            }
            Says::Released => {
                if let Some(hold) = open.remove(tenant) {
                    end(hold, line.at);
                }
            }
            Says::Delivered => {
                // What was under way when the hold began may still arrive.
                if open.get(tenant).is_some_and(|hold| line.at > hold.from + UNDER_WAY)
                    && let Some(hold) = open.remove(tenant)
                {
                    end(hold, line.at);
                }
            }
            Says::Started => open.drain().for_each(|(_, hold)| end(hold, line.at)),
            Says::Failed | Says::Ended | Says::Everybody => {}
        }
    }
    open.into_values().for_each(|hold| end(hold, u64::MAX));
    ended
}

/// A try's length, in milliseconds, and some.
const UNDER_WAY: u64 = 3_500;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, says: Says, tenant: &str) -> Line {
        Line { at, says, tenant: tenant.to_owned(), event: String::new() }
    }

    fn known() -> Known {
        let names = [(0, "acme"), (0, "globex"), (50_000, "renamed")];
        let history = names.map(|(since, name)| (since, usize::from(name == "globex"), name.to_owned()));
        Known {
            history: history.to_vec(),
            current: vec![None, Some("globex".to_owned())],
            ..Known::default()
        }
    }

    #[test]
    fn a_hold_lasts_from_its_line_until_the_portal_takes_events_again() {
        let lines = [
            line(10_000, Says::Held, "acme"),
            line(11_000, Says::Delivered, "acme"),
            line(12_000, Says::Released, "globex"),
            line(20_000, Says::Released, "acme"),
            line(21_000, Says::Delivered, "acme"),
        ];

        assert_eq!(holds(&lines, &known()), HashMap::from([(0, vec![(10_000, 20_000)])]));
    }

    #[test]
    fn a_name_that_stays_held_holds_the_customer_who_gets_it() {
        let lines = [
            line(10_000, Says::Held, "acme"),
            line(50_500, Says::Held, "renamed"),
            line(20_000, Says::Held, "globex"),
            line(21_000, Says::Held, "globex"),
            line(60_000, Says::Released, "globex"),
        ];
        let mut handed_over = known();
        handed_over.history.push((30_000, 0, "globex".to_owned()));
        let taken = [line(20_000, Says::Held, "globex"), line(31_000, Says::Held, "globex")];

        assert_eq!(holds(&lines, &known()).get(&1), Some(&vec![(20_000, 60_000)]));
        assert_eq!(holds(&taken, &handed_over).get(&0), Some(&vec![(31_000, 50_000)]));
    }

    #[test]
    fn a_hold_ends_with_its_process_its_name_or_a_delivery() {
        let started = [line(10_000, Says::Held, "acme"), line(15_000, Says::Started, "")];
        let renamed = [line(10_000, Says::Held, "acme"), line(70_000, Says::Released, "acme")];
        let delivered = [line(10_000, Says::Held, "globex"), line(14_000, Says::Delivered, "globex")];
        let forgotten = [line(10_000, Says::Held, "globex")];

        let [started, renamed, delivered, forgotten] =
            [&started[..], &renamed, &delivered, &forgotten].map(|lines| holds(lines, &known()));

        assert_eq!(started, HashMap::from([(0, vec![(10_000, 15_000)])]));
        assert_eq!(renamed, HashMap::from([(0, vec![(10_000, 50_000)])]));
        assert_eq!(delivered, HashMap::from([(1, vec![(10_000, 14_000)])]));
        assert_eq!(forgotten, HashMap::from([(1, vec![(10_000, u64::MAX)])]));
    }
}
