//! What this program was built from, for `--version`, the log and the metric `kyc_gateway_build_info`.
//!
//! The build script sets the variables. There is no time of the build among them, so that builds are reproducible.

use kyc_telemetry::BuildInfo;

/// The build of this program.
pub(crate) const BUILD: BuildInfo = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("KYC_GATEWAY_BUILD_COMMIT"),
    date: env!("KYC_GATEWAY_BUILD_DATE"),
    compiler: env!("KYC_GATEWAY_BUILD_COMPILER"),
};

/// The answer to `--version`. The one to `-V` is the first line.
pub(crate) const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit    ",
    env!("KYC_GATEWAY_BUILD_COMMIT"),
    "\ndate      ",
    env!("KYC_GATEWAY_BUILD_DATE"),
    "\ncompiler  ",
    env!("KYC_GATEWAY_BUILD_COMPILER"),
    "\ntarget    ",
    env!("KYC_GATEWAY_BUILD_TARGET"),
    "\nprofile   ",
    env!("KYC_GATEWAY_BUILD_PROFILE"),
    "\nfeatures  ",
    env!("KYC_GATEWAY_BUILD_FEATURES"),
);
