//! kyc-gateway: command line, configuration, assembly, admin listener.
