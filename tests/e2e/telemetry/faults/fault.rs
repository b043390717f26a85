//! What a line of the table says.

use futures::future::LocalBoxFuture;

/// A fault, and the alerts that it brings.
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// The alerts that must fire.
    pub(super) fires: &'static [&'static str],
    /// Other alerts that may fire, because they are consequences of the fault. No other alert may.
    pub(super) also: &'static [&'static str],
    /// Those of `fires` whose window is longer than the test, or whose fault cannot be mended.
    pub(super) stays: &'static [&'static str],
    /// Makes the fault, waits for its alerts, mends it, and waits for their end.
    pub(super) make: fn(&'static Fault) -> LocalBoxFuture<'static, ()>,
}
