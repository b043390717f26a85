//! Onfido's two environments, and which of them a tenant's portal takes results of.

/// An environment of Onfido. Resources say it in `sandbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real people.
    Live,
    /// Tests with invented results.
    Sandbox,
}

/// The environments whose results a tenant's portal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environments {
    /// Both; nothing is looked up.
    #[default]
    All,
    /// One alone.
    Only(Environment),
}

// === impl Environment ===

impl Environment {
    /// Returns the environment of a resource with this `sandbox`.
    pub fn of_sandbox(sandbox: bool) -> Self {
        if sandbox { Self::Sandbox } else { Self::Live }
    }

    /// Returns the name in the tenant document, in metrics and at Onfido.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
        }
    }
}

// === impl Environments ===

impl Environments {
    /// Returns whether the portal takes results of an environment.
    pub fn admits(self, environment: Environment) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only == environment,
        }
    }
}
