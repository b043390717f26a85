//! An OpenID Connect provider with one key (ES256).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A running provider.
pub(crate) struct Provider {
    key: EcdsaKeyPair,
    random: SystemRandom,
    pub(crate) issuer: String,
}

// === impl Provider ===

impl Provider {
    pub(crate) async fn start() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let point = key.public_key().as_ref();
        let keys = json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig",
            "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
        }] })
        .to_string();
        let description = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }).to_string();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(async move || description.clone()))
            .route("/keys", get(async move || keys.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { key, random, issuer }
    }

    /// An access token for an audience, with more claims.
    pub(crate) fn token(&self, audience: &str, more: &Value) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({ "iss": self.issuer, "aud": audience, "azp": "cli", "exp": now + 600 });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!(
            "{}.{}",
            encode(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "one" })),
            encode(&claims)
        );
        let signature = self.key.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}
