//! Configuration files with places to fill in.
//!
//! A template is a file of its kind with comments. A line that begins with `#tls:` counts with TLS alone, one with `#plain:`
//! without it, and one with `#tenant:` once for each of 1,000 tenants, whose number is `{{N}}`. `{{NAME}}` is a value.

use std::fs;
use std::path::Path;

use crate::stage::Transport;

/// Fills in a template, and writes the file.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write(
    path: &Path,
    template: &str,
    transport: Transport,
    values: &[(&str, String)],
) -> Result<(), String> {
    fs::write(path, fill(template, transport, values)).map_err(|error| format!("{}: {error}", path.display()))
}

fn fill(template: &str, transport: Transport, values: &[(&str, String)]) -> String {
    let mut filled: String = template.lines().flat_map(|line| lines(line, transport)).collect();
    for (name, value) in values {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    filled
}

/// The lines that a line of the template becomes.
fn lines(line: &str, transport: Transport) -> Vec<String> {
    let (tls, plain) = (line.strip_prefix("#tls:"), line.strip_prefix("#plain:"));
    if let Some(tenant) = line.strip_prefix("#tenant:") {
        return (0..TENANTS).map(|n| format!("{}\n", tenant.replace("{{N}}", &n.to_string()))).collect();
    }
    let kept = match transport {
        Transport::Tls if plain.is_none() => Some(tls.unwrap_or(line)),
        Transport::Plain if tls.is_none() => Some(plain.unwrap_or(line)),
        Transport::Tls | Transport::Plain => None,
    };
    kept.map(|line| format!("{line}\n")).into_iter().collect()
}

/// Tenants of each contender.
pub(crate) const TENANTS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "# a {{NAME}}\n#tls:  secure\n#plain:  open\nend\n";

    #[test]
    fn lines_of_the_other_transport_are_left_out() {
        let values = [("NAME", "comment".to_owned())];

        let filled = [Transport::Plain, Transport::Tls].map(|transport| fill(TEMPLATE, transport, &values));

        assert_eq!(filled, ["# a comment\n  open\nend\n", "# a comment\n  secure\nend\n"]);
    }

    #[test]
    fn each_tenant_has_its_line() {
        let filled = fill("#tenant:sub-{{N}}\n", Transport::Plain, &[]);

        assert_eq!(filled.lines().count(), 1000);
        assert_eq!(filled.lines().last(), Some("sub-999"));
    }
}
