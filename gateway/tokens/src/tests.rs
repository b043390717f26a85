use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

const ISSUER: &str = "https://login.example/tenant/v2.0";

/// A provider with one key.
struct Provider {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        Self { key, random }
    }

    fn jwk(&self, id: &str) -> Value {
        let point = self.key.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
            "x": BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": BASE64_URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&self.random, message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn config(more: &str) -> TokenConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    toml::from_str(&format!("issuer = \"{ISSUER}\"\naudience = [\"api://gateway\", \"gateway\"]\n{more}"))
        .unwrap()
}

fn tokens(provider: &Provider, more: &str) -> TokenVerifier {
    let config = config(more);
    let shared = json!({ "kty": "oct", "kid": "shared", "k": "c2VjcmV0" });
    let keys = Keys::fetched(
        &config,
        json!({ "keys": [shared, provider.jwk("one"), { "kty": "new", "kid": "new" }] }),
    );
    TokenVerifier::new(config, keys).unwrap()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "api://gateway", "azp": "client", "exp": now() + 600, "nbf": now() - 10, "roles": ["Kyc.Read", "Kyc.Call"] })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    map
}

fn accepts(tokens: &TokenVerifier, fields: &[(&'static str, &str)]) -> bool {
    matches!(tokens.verify(&map(fields)), Verdict::Valid(_))
}

#[test]
fn only_a_valid_token_for_the_gateway_is_accepted() {
    let (provider, other) = (Provider::new(), Provider::new());
    let tokens = tokens(&provider, "claims = { roles = [\"Kyc.Call\", \"Kyc.Admin\"] }");
    let header = json!({ "alg": "ES256", "kid": "one" });
    let rows = [
        ("valid", &header, claims(), true),
        ("an ID token", &header, with("nonce", json!("n")), false),
        ("an ID token of Keycloak", &header, with("typ", json!("ID")), false),
        ("issued to nobody", &header, without("azp"), false),
        ("for several", &header, with("aud", json!(["other", "gateway"])), true),
        ("within the leeway", &header, with("exp", json!(now() - 30)), true),
        ("for somebody else", &header, with("aud", json!("api://other")), false),
        ("by another issuer", &header, with("iss", json!("https://login.example/other/v2.0")), false),
        ("expired", &header, with("exp", json!(now() - 120)), false),
        ("not valid yet", &header, with("nbf", json!(now() + 120)), false),
        ("without exp", &header, without("exp"), false),
        ("without aud", &header, without("aud"), false),
        ("without iss", &header, without("iss"), false),
        ("without the role", &header, with("roles", json!(["Kyc.Read"])), false),
        ("with part of the role", &header, with("roles", json!("Kyc.Call Kyc.Read")), false),
        ("without roles", &header, without("roles"), false),
        ("by an unknown key", &json!({ "alg": "ES256", "kid": "two" }), claims(), false),
        ("by a shared secret", &json!({ "alg": "HS256", "kid": "shared" }), claims(), false),
        ("by another algorithm", &json!({ "alg": "RS256", "kid": "one" }), claims(), false),
        (
            "by a key of the header's",
            &json!({ "alg": "ES256", "jwk": other.jwk("one"), "kid": "two" }),
            claims(),
            false,
        ),
        ("unsigned", &json!({ "alg": "none", "kid": "one" }), claims(), false),
        (
            "with an extension that must be understood",
            &json!({ "alg": "ES256", "kid": "one", "crit": ["exp"], "exp": now() + 600 }),
            claims(),
            false,
        ),
        ("with an empty list of such", &json!({ "alg": "ES256", "kid": "one", "crit": [] }), claims(), false),
        ("by the only key", &json!({ "alg": "ES256" }), claims(), true),
    ];

    for (what, header, claims, expected) in rows {
        let token = provider.sign(header, &claims);
        assert_eq!(accepts(&tokens, &[("Authorization", &format!("Bearer {token}"))]), expected, "{what}");
    }
    let forged = other.sign(&header, &claims());
    assert!(!accepts(&tokens, &[("Authorization", &format!("Bearer {forged}"))]));
}

#[test]
fn only_one_complete_bearer_token_is_accepted() {
    let provider = Provider::new();
    let tokens = tokens(&provider, "");
    let token = provider.sign(&json!({ "alg": "ES256", "kid": "one" }), &claims());
    let bearer = format!("Bearer {token}");
    let (message, _) = token.rsplit_once('.').unwrap();

    assert!(accepts(&tokens, &[("Authorization", &format!("bEARER {token}"))]));
    for fields in [
        vec![],
        vec![("Authorization", token.as_str())],
        vec![("Authorization", "Bearer ")],
        vec![("Authorization", &format!("Basic {token}"))],
        vec![("Authorization", &bearer), ("Authorization", &bearer)],
        vec![("Authorization", &format!("Bearer {message}."))],
        vec![("Authorization", &format!("Bearer {message}"))],
        vec![("Authorization", &bearer[..bearer.len() - 4])],
        vec![("Authorization", "Bearer a.b.c"), ("X-Other", &bearer)],
    ] {
        assert!(!accepts(&tokens, &fields), "{fields:?}");
    }
}

#[test]
fn token_is_undecided_before_the_first_keys_are_fetched() {
    let provider = Provider::new();
    let config = config("");
    let keys = Keys::new(&config, std::path::Path::new(""), Demand::Needed).unwrap();
    let tokens = TokenVerifier::new(config, keys).unwrap();
    let verdict = |header: &Value| {
        let token = provider.sign(header, &claims());
        tokens.verify(&map(&[("Authorization", &format!("Bearer {token}"))]))
    };

    let whole = verdict(&json!({ "alg": "ES256", "kid": "one" }));
    let critical = verdict(&json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }));
    let none = tokens.verify(&map(&[]));

    assert_eq!((whole, critical, none), (Verdict::Undecided, Verdict::Invalid, Verdict::Invalid));
}

#[test]
fn scopes_are_compared_word_by_word() {
    let provider = Provider::new();
    let tokens = tokens(&provider, "claims = { scp = [\"kyc.call\"] }");
    let header = json!({ "alg": "ES256", "kid": "one" });

    for (scopes, expected) in
        [("kyc.call", true), ("openid kyc.call", true), ("kyc.callx", false), ("", false)]
    {
        let token = provider.sign(&header, &with("scp", json!(scopes)));
        let found = accepts(&tokens, &[("Authorization", &format!("Bearer {token}"))]);
        assert_eq!(found, expected, "{scopes}");
    }
}

#[test]
fn settings_that_would_accept_too_many_tokens_are_refused() {
    let rows = [
        ("issuer = \"\"\naudience = [\"a\"]", "issuer: `/.well-known/openid-configuration` is not a URL"),
        ("issuer = \"http://login.example\"\naudience = [\"a\"]", "issuer: `http://login.example"),
        (
            "issuer = \"https://i.example\"\naudience = []",
            "audience: must contain at least one audience, and no empty one",
        ),
        (
            "issuer = \"https://i.example\"\naudience = [\"a\"]\nclaims = { azp = [] }",
            "claims.azp: must list at least one value",
        ),
        (
            "issuer = \"i\"\naudience = [\"a\"]\nkeys_url = \"http://k.example\"",
            "keys_url: `http://k.example` is http:// to another machine",
        ),
        (
            "issuer = \"https://i.example\"\naudience = [\"a\"]\nca_file = \"no.pem\"",
            "ca_file: cannot read no.pem: ",
        ),
    ];
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    for (settings, expected) in rows {
        let config: TokenConfig = toml::from_str(settings).unwrap();
        let keys = Keys::new(&config, std::path::Path::new(""), Demand::Needed);
        let refused = keys.and_then(|keys| TokenVerifier::new(config, keys)).unwrap_err();
        assert!(refused.to_string().starts_with(expected), "{settings}: {refused}");
    }
}
