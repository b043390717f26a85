//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::contender::Contender;
use crate::scenario;

/// Runs the gateway, proxies on Pingora, nginx, HAProxy and Envoy in turn under the same load, and prints figures and ratios.
///
/// Contenders run on core 0, load and upstream on core 1, except where a scenario says that they share a core. Tables go to
/// standard output, progress to standard error. `tests/tools/install peers` installs what is needed. The exit code is 1 when a
/// contender failed in a scenario, such as by an answer other than 200.
#[derive(Debug, Parser)]
#[command(name = "kyc-bench", args_override_self = true)]
pub(crate) struct Arguments {
    /// Rounds of each scenario; each round measures every contender once, and begins with another one.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,
    /// A scenario that is run; it may be given several times. Left out: all.
    #[arg(long = "scenario", value_name = "NAME", value_parser = PossibleValuesParser::new(scenario::names()))]
    pub(crate) scenarios: Vec<String>,
    /// A contender that takes part; it may be given several times. Left out: all.
    #[arg(long = "contender", value_name = "NAME")]
    pub(crate) contenders: Vec<Contender>,
    /// The gateway. Left out: `kyc-gateway` in the folder of this program.
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub(crate) gateway: Option<PathBuf>,
    /// Another gateway, such as the one before a change; it takes part too, and ratios to it are printed.
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub(crate) against: Option<PathBuf>,
}

// === impl Arguments ===

impl Arguments {
    /// Who takes part.
    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let is_wanted = |contender: &Contender| match contender {
            Contender::GatewayBefore => self.against.is_some(),
            // The other half of the gateway in one scenario each.
            Contender::GatewayFewTenants | Contender::GatewayWithoutLedger => {
                self.contenders.is_empty() || self.contenders.contains(&Contender::Gateway)
            }
            Contender::Gateway
            | Contender::Relay
            | Contender::BarePingoraMimalloc
            | Contender::BarePingora
            | Contender::Nginx
            | Contender::HaProxy
            | Contender::Envoy => self.contenders.is_empty() || self.contenders.contains(contender),
        };
        Contender::ALL.into_iter().filter(is_wanted).collect()
    }
}

fn program(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    match path.is_file() {
        true => Ok(path),
        false => Err("there is no such file".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_takes_part_unless_some_are_named() {
        let all = Arguments::try_parse_from(["kyc-bench"]).unwrap();
        let two =
            Arguments::try_parse_from(["kyc-bench", "--contender", "nginx", "--contender", "kyc-gateway"]);

        assert_eq!(all.contenders().len(), Contender::ALL.len() - 1);
        assert_eq!(
            two.unwrap().contenders(),
            [
                Contender::Gateway,
                Contender::GatewayFewTenants,
                Contender::GatewayWithoutLedger,
                Contender::Nginx
            ]
        );
    }

    #[test]
    fn other_gateway_takes_part_when_it_is_given() {
        let line = ["kyc-bench", "--contender", "kyc-gateway", "--against", "/bin/sh"];

        let arguments = Arguments::try_parse_from(line).unwrap();

        assert_eq!(
            arguments.contenders(),
            [
                Contender::Gateway,
                Contender::GatewayBefore,
                Contender::GatewayFewTenants,
                Contender::GatewayWithoutLedger
            ]
        );
    }

    #[test]
    fn unknown_names_are_refused() {
        for option in ["--scenario", "--contender", "--gateway", "--against"] {
            let error = Arguments::try_parse_from(["kyc-bench", option, "no-such"]).unwrap_err();

            assert!(error.to_string().contains("no-such"), "{error}");
        }
    }
}
