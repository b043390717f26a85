//! Configures the auth methods of OpenBao, each with its own keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use httpmock::MockServer;
use serde_json::{Value, json};

use super::bao::OpenBao;

/// A token as an identity provider signs it (RFC 7519, ES256 of RFC 7518), and the key that proves it.
fn signed(claims: &Value) -> (String, String) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der()).unwrap();
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut claims = claims.clone();
    claims["nbf"] = json!(from_now(-60));
    claims["exp"] = json!(from_now(3600));
    let text = format!("{}.{}", part(&json!({"alg": "ES256", "typ": "JWT"})), part(&claims));
    let signature = key.sign(&random, text.as_bytes()).unwrap();
    (format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)), pair.public_key_pem())
}

fn from_now(seconds: i64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().saturating_add_signed(seconds)
}

/// A role whose logins are valid for a second.
fn role(more: &Value) -> Value {
    let mut role = json!({ "token_policies": ["kyc"], "token_ttl": "1s", "token_max_ttl": "1s" });
    role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    role
}

pub(crate) async fn jwt_method(bao: &OpenBao, mount: &str, subject: &str) -> String {
    let (token, key) = signed(&json!({"sub": subject, "aud": "vault"}));
    bao.call("POST", &format!("sys/auth/{mount}"), json!({ "type": "jwt" })).await;
    bao.call("POST", &format!("auth/{mount}/config"), json!({ "jwt_validation_pubkeys": [key] })).await;
    let wanted = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"]});
    bao.call("POST", &format!("auth/{mount}/role/kyc"), role(&wanted)).await;
    token
}

/// A simulated Kubernetes cluster with one service account.
pub(crate) async fn kubernetes_method(bao: &OpenBao) -> (String, MockServer) {
    let cluster = MockServer::start_async().await;
    let account = "system:serviceaccount:kyc:gateway";
    cluster
        .mock_async(|when, then| {
            when.method("POST").path("/apis/authentication.k8s.io/v1/tokenreviews");
            then.status(201).json_body(json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "status": {"authenticated": true, "audiences": ["vault"], "user": {
                    "username": account, "uid": "uid-1",
                    "groups": ["system:serviceaccounts", "system:serviceaccounts:kyc", "system:authenticated"],
                }},
            }));
        })
        .await;
    let (token, _) = signed(&json!({
        "iss": "https://kubernetes.default.svc", "sub": account, "aud": ["vault"],
        "kubernetes.io": {"namespace": "kyc", "serviceaccount": {"name": "gateway", "uid": "uid-1"}},
    }));
    bao.call("POST", "sys/auth/kubernetes", json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": format!("http://{}", cluster.address()), "token_reviewer_jwt": token,
        "disable_local_ca_jwt": true, "disable_iss_validation": true,
        // Not used: this cluster has no TLS.
        "kubernetes_ca_cert": rcgen::generate_simple_self_signed(["cluster.test".to_owned()]).unwrap().cert.pem(),
    });
    bao.call("POST", "auth/kubernetes/config", config).await;
    let wanted = json!({
        "bound_service_account_names": ["gateway"], "bound_service_account_namespaces": ["kyc"],
    });
    bao.call("POST", "auth/kubernetes/role/kyc", role(&wanted)).await;
    (token, cluster)
}

/// Trusts one certificate; returns it with its key.
pub(crate) async fn certificate_method(bao: &OpenBao) -> (String, String) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["gateway.test".to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.use_authority_key_identifier_extension = true;
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = parameters.self_signed(&pair).unwrap().pem();
    bao.call("POST", "sys/auth/cert", json!({ "type": "cert" })).await;
    bao.call("POST", "auth/cert/certs/kyc", role(&json!({ "certificate": certificate }))).await;
    (certificate, pair.serialize_pem())
}
