//! Sign-in with an OpenID provider, with one on loopback that makes tokens as a test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use support::mock::{Asked, Mock, Say};
use support::{Reply, Served, event};
use tapir_manager::{Grant, ManagerError, OidcConfig, Role};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// A key for these tests, made by `openssl`: ring makes none of this kind. Without it what needs one is left out, and that is
/// said.
fn rsa() -> Option<RsaKeyPair> {
    static MADE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let args = ["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let made = std::process::Command::new("openssl").args(args).output();
        let key = made.ok().filter(|made| made.status.success()).map(|made| made.stdout);
        if key.is_none() {
            eprintln!("no `openssl` that makes keys: tokens signed with RSA are not tested");
        }
        key
    });
    let pair = |pem: &Vec<u8>| {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap()
    };
    made.as_ref().map(pair)
}

struct Signers {
    rsa: Option<RsaKeyPair>,
    curve: EcdsaKeyPair,
}

impl Signers {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { rsa: rsa(), curve: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap() }
    }

    fn keys(&self) -> Value {
        let rsa = self.rsa.as_ref().map(|key| {
            let public: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
            let (n, e) = (BASE64.encode(public.n), BASE64.encode(public.e));
            json!({ "kty": "RSA", "kid": "r", "use": "sig", "n": n, "e": e })
        });
        let (x, y) = self.curve.public_key().as_ref()[1..].split_at(32);
        let others = json!([
            { "kty": "EC", "kid": "e", "alg": "ES256", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y) },
            { "kty": "oct", "kid": "o", "k": "AAAA" },
        ]);
        json!({ "keys": rsa.into_iter().chain(others.as_array().unwrap().clone()).collect::<Vec<_>>() })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match (header["alg"].as_str().unwrap(), &self.rsa) {
            ("RS256", Some(rsa)) => {
                let mut signature = vec![0; rsa.public().modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
            ("ES256", _) => self.curve.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            _ => Vec::new(),
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// What the provider does next.
#[derive(Default)]
struct Plan {
    token: String,
    /// Of the sign-in: what the verifier must hash to.
    challenge: String,
    codes: Vec<String>,
    keys: Option<Value>,
}

struct Setup {
    served: Served,
    provider: Mock,
    signers: Arc<Signers>,
    plan: Arc<Mutex<Plan>>,
    cookie: Mutex<String>,
}

fn provider(asked: &Asked, at: &str, signers: &Signers, plan: &Mutex<Plan>) -> Say {
    match asked.path.as_str() {
        "/.well-known/openid-configuration" => Say::new(
            200,
            json!({
                "issuer": at,
                "authorization_endpoint": format!("{at}/authorize?kept=yes"),
                "token_endpoint": format!("{at}/token"),
                "jwks_uri": format!("{at}/keys"),
                "end_session_endpoint": format!("{at}/logout"),
            })
            .to_string(),
        ),
        "/keys" => Say::new(200, plan.lock().unwrap().keys.clone().unwrap_or_else(|| signers.keys()).to_string()),
        "/token" => {
            let url = Url::parse(&format!("http://x/?{}", asked.body)).unwrap();
            let form: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
            let basic = base64::engine::general_purpose::STANDARD.encode("tap%3Air:s%26cret");
            assert_eq!(asked.header("authorization"), format!("Basic {basic}"));
            assert_eq!(form["grant_type"], "authorization_code");
            assert_eq!(form["redirect_uri"], "http://localhost:1/api/v1/session/oidc/callback");
            let mut plan = plan.lock().unwrap();
            // As providers do: a code once, and with the verifier of its sign-in only.
            if BASE64.encode(Sha256::digest(&form["code_verifier"])) != plan.challenge
                || plan.codes.contains(&form["code"])
            {
                return Say::new(400, "{\"error\":\"invalid_grant\"}");
            }
            plan.codes.push(form["code"].clone());
            Say::new(200, json!({ "access_token": "a", "token_type": "Bearer", "id_token": plan.token }).to_string())
        }
        other => Say::new(404, other.to_owned()),
    }
}

fn settings(issuer: &str, secret: &std::path::Path) -> OidcConfig {
    std::fs::write(secret, "s&cret\n").unwrap();
    let grant = |group: &str, role, namespaces: Option<&str>| Grant {
        group: group.into(),
        role,
        namespaces: namespaces.map(|one| vec![one.to_owned()]),
    };
    OidcConfig {
        name: "Test".into(),
        issuer: issuer.into(),
        client_id: "tap:ir".into(),
        secret_file: Some(secret.to_owned()),
        scopes: vec!["groups".into()],
        user_claim: "preferred_username".into(),
        groups_claim: "groups".into(),
        clock_skew: 60,
        ca_file: None,
        grant: vec![grant("shop", Role::Act, Some("shop")), grant("security", Role::Tune, None)],
    }
}

impl Setup {
    async fn new() -> Self {
        let (signers, plan) = (Arc::new(Signers::new()), Arc::<Mutex<Plan>>::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let (keys, planned, own) = (Arc::clone(&signers), Arc::clone(&plan), at.clone());
        let provider = Mock::on(listener, move |asked| provider(asked, &own, &keys, &planned));
        let served = Served::with(|config| {
            config.oidc = Some(settings(&at, &config.data_dir.parent().unwrap().join("secret")));
            config.public_url = Some("http://localhost:1/".into());
            config.limits.failed_sign_ins = 1_000;
        })
        .await;
        Self { served, provider, signers, plan, cookie: Mutex::default() }
    }

    /// Begins: the parameters that go to the provider. The cookie is kept, as a browser does.
    async fn begin(&self, back: &str) -> BTreeMap<String, String> {
        let reply = self.served.call("GET", &format!("/api/v1/session/oidc?back={back}"), &[], b"").await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let set = reply.header("set-cookie");
        assert!(
            set.starts_with("tapir-")
                && set.contains("-sign-in=")
                && set.contains("HttpOnly")
                && set.contains("SameSite=Lax"),
            "{set}"
        );
        *self.cookie.lock().unwrap() = set.split(';').next().unwrap().to_owned();
        let url = Url::parse(reply.header("location")).unwrap();
        assert_eq!(url.path(), "/authorize");
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        self.plan.lock().unwrap().challenge = asked["code_challenge"].clone();
        asked
    }

    fn claims(&self, nonce: &str) -> Value {
        let now = support::ago(0).secs();
        json!({
            "iss": self.provider.url(), "aud": "tap:ir", "sub": "u-1", "nonce": nonce,
            "iat": now, "exp": now + 300, "preferred_username": "ann", "groups": ["shop", "other"],
        })
    }

    async fn back(&self, query: &str) -> Reply {
        let cookie = self.cookie.lock().unwrap().clone();
        self.served.call("GET", &format!("/api/v1/session/oidc/callback?{query}"), &[("cookie", &cookie)], b"").await
    }

    /// A whole sign-in whose token says this.
    async fn sign_in(&self, header: Value, change: impl FnOnce(&mut Value)) -> Reply {
        let asked = self.begin("/").await;
        let mut claims = self.claims(&asked["nonce"]);
        change(&mut claims);
        let token = self.signers.sign(&header, &claims);
        self.with_token(&asked, token).await
    }

    async fn with_token(&self, asked: &BTreeMap<String, String>, token: String) -> Reply {
        self.plan.lock().unwrap().token = token;
        let (state, code) = (&asked["state"], &asked["nonce"][..16]);
        self.back(&format!("state={state}&code={code}")).await
    }
}

fn es256() -> Value {
    json!({ "alg": "ES256", "kid": "e" })
}

#[tokio::test]
async fn a_browser_signs_in_and_out_with_either_kind_of_signature() {
    let setup = Setup::new().await;
    let providers = setup.served.call("GET", "/api/v1/session/providers", &[], b"").await.ok();
    assert_eq!(providers, json!({ "items": [{ "name": "Test", "url": "/api/v1/session/oidc" }], "kubernetes": false }));
    let asked = setup.begin("/alerts?q=sid%253A1").await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "tap:ir"),
        ("scope", "openid groups"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://localhost:1/api/v1/session/oidc/callback"),
        ("kept", "yes"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let mut seen = std::collections::BTreeSet::new();
    for name in ["state", "nonce", "code_challenge"] {
        assert!(asked[name].len() >= 43 && seen.insert(asked[name].clone()), "{name}");
    }
    let token = setup.signers.sign(&es256(), &setup.claims(&asked["nonce"]));
    let reply = setup.with_token(&asked, token).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/alerts?q=sid%3A1"), "{}", reply.text());
    let cookies: Vec<_> =
        reply.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, v)| v.clone()).collect();
    assert!(cookies.iter().any(|set| set.contains("-sign-in=;") && set.contains("Max-Age=0")), "{cookies:?}");
    let session = reply.session();
    assert!(session.contains("SameSite=Strict") && session.contains("HttpOnly"), "{session}");
    let session = session.split(';').next().unwrap();
    let me = setup.served.call("GET", "/api/v1/me", &[("cookie", session)], b"").await.ok();
    assert_eq!((&me["user"], &me["how"]), (&json!("ann"), &json!("oidc")));
    assert_eq!(me["reach"], json!({ "read": ["shop"], "act": ["shop"], "tune": [] }));
    // The mapping holds in the lists.
    let mut bank = event(2, 2, "192.0.2.1", 10);
    bank.server.as_mut().unwrap().namespace = "bank".into();
    setup.served.ingest(&[event(1, 1, "192.0.2.1", 10), bank]).await.ok();
    let groups = setup.served.call("GET", "/api/v1/groups", &[("cookie", session)], b"").await.ok();
    assert_eq!((groups["items"].as_array().unwrap().len(), &groups["items"][0]["sid"]), (1, &json!(1)));
    let out = setup.served.call("DELETE", "/api/v1/session", &[("cookie", session)], b"").await;
    let logout = out.ok()["logout"].as_str().unwrap().to_owned();
    assert!(logout.starts_with(&format!("{}/logout?client_id=tap%3Air", setup.provider.url())), "{logout}");
    setup.served.call("GET", "/api/v1/me", &[("cookie", session)], b"").await.problem(401);
    if setup.signers.rsa.is_none() {
        return;
    }
    // The other signature, another group, several audiences; without a key's name.
    let reply = setup
        .sign_in(json!({ "alg": "RS256" }), |claims| {
            claims["groups"] = json!("security");
            claims["aud"] = json!(["other", "tap:ir"]);
            claims["azp"] = json!("tap:ir");
        })
        .await;
    assert_eq!(reply.status, 303, "{}", reply.text());
}

#[tokio::test]
async fn tokens_that_are_not_right_in_every_point_are_refused() {
    let setup = Setup::new().await;
    type Change = fn(&mut Value);
    let now = support::ago(0).secs();
    let cases: Vec<(&str, Value, Change, &str)> = vec![
        ("nonce", es256(), |c| c["nonce"] = json!("another"), "another sign-in"),
        ("no nonce", es256(), |c| drop(c.as_object_mut().unwrap().remove("nonce")), "another sign-in"),
        ("audience", es256(), |c| c["aud"] = json!("other"), "another client"),
        ("audiences", es256(), |c| c["aud"] = json!(["tap:ir", "other"]), "another party"),
        ("party", es256(), |c| c["azp"] = json!("other"), "another party"),
        ("issuer", es256(), |c| c["iss"] = json!("https://evil.example"), "another issuer"),
        ("expired", es256(), |c| c["exp"] = json!(c["iat"].as_i64().unwrap() - 61), "expired"),
        ("no end", es256(), |c| drop(c.as_object_mut().unwrap().remove("exp")), "expired"),
        ("of the future", es256(), |c| c["iat"] = json!(c["iat"].as_i64().unwrap() + 120), "future"),
        ("not yet", es256(), |c| c["nbf"] = json!(c["iat"].as_i64().unwrap() + 120), "does not hold yet"),
        ("nobody", es256(), |c| c["sub"] = json!(""), "names nobody"),
        ("unsigned", json!({ "alg": "none" }), |_| {}, "unsigned"),
        ("NONE", json!({ "alg": "NONE", "kid": "e" }), |_| {}, "unsigned"),
        ("a shared secret", json!({ "alg": "HS256", "kid": "o" }), |_| {}, "unsigned"),
        ("a key of another kind", json!({ "alg": "RS256", "kid": "e" }), |_| {}, "does not publish"),
        ("a key that is not there", json!({ "alg": "ES256", "kid": "x" }), |_| {}, "does not publish"),
        ("extensions", json!({ "alg": "ES256", "kid": "e", "crit": ["b64"] }), |_| {}, "extensions"),
    ];
    for (name, header, change, why) in cases {
        let reply = setup.sign_in(header, change).await;
        let problem = reply.problem(401);
        assert!(problem["detail"].as_str().unwrap().contains(why), "{name}: {problem}");
        assert_eq!(reply.session(), "", "{name}");
    }
    // Within the skew of clocks.
    let reply = setup.sign_in(es256(), |c| c["exp"] = json!(c["iat"].as_i64().unwrap() - 30)).await;
    assert_eq!(reply.status, 303, "{now}: {}", reply.text());
    // A claim changed after it was signed; a token cut off.
    let asked = setup.begin("/").await;
    let token = setup.signers.sign(&es256(), &setup.claims(&asked["nonce"]));
    let mut claims = setup.claims(&asked["nonce"]);
    claims["groups"] = json!(["security"]);
    let parts: Vec<_> = token.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], BASE64.encode(claims.to_string()), parts[2]);
    assert!(setup.with_token(&asked, forged).await.problem(401)["detail"].as_str().unwrap().contains("signature"));
    for cut in [parts[..2].join("."), parts[0].to_owned(), String::new(), "a.b.c.d".into(), "..".into()] {
        let asked = setup.begin("/").await;
        setup.with_token(&asked, cut).await.problem(401);
    }
}

#[tokio::test]
async fn a_state_is_of_one_browser_and_of_one_time() {
    let setup = Setup::new().await;
    let asked = setup.begin("/").await;
    let token = setup.signers.sign(&es256(), &setup.claims(&asked["nonce"]));
    let cookie = setup.cookie.lock().unwrap().clone();
    // Another browser: without the cookie, or with one of its own.
    let callback = format!("/api/v1/session/oidc/callback?state={}&code=c", asked["state"]);
    setup.served.call("GET", &callback, &[], b"").await.problem(401);
    let other = setup.begin("/").await;
    setup.plan.lock().unwrap().token = token.clone();
    setup.back(&format!("state={}&code=c", asked["state"])).await.problem(401);
    setup.back(&format!("state={}&code=c", other["state"])).await.problem(401);
    assert!(!setup.provider.asked().iter().any(|asked| asked.path == "/token"), "no code goes to the provider");
    // The right one, once.
    *setup.cookie.lock().unwrap() = cookie;
    setup.plan.lock().unwrap().challenge = asked["code_challenge"].clone();
    assert_eq!(setup.with_token(&asked, token.clone()).await.status, 303);
    setup.with_token(&asked, token).await.problem(401);
    // A code of another sign-in: the verifier does not fit.
    let asked = setup.begin("/").await;
    setup.plan.lock().unwrap().challenge = "another".into();
    let problem = setup.with_token(&asked, String::new()).await.problem(401);
    assert!(problem["detail"].as_str().unwrap().contains("invalid_grant"), "{problem}");
}

#[tokio::test]
async fn refusals_of_the_provider_and_people_without_groups_are_told() {
    let setup = Setup::new().await;
    let asked = setup.begin("/").await;
    let problem = setup.back(&format!("state={}&error=access_denied", asked["state"])).await.problem(401);
    assert!(problem["detail"].as_str().unwrap().contains("access_denied"));
    let reply = setup.sign_in(es256(), |claims| claims["groups"] = json!(["other"])).await;
    assert!(reply.problem(403)["detail"].as_str().unwrap().contains("ann"));
    // The answer of another provider (RFC 9207).
    let asked = setup.begin("/").await;
    setup.back(&format!("state={}&code=c&iss=https%3A%2F%2Fevil.example", asked["state"])).await.problem(401);
    // One who calls himself as the local administrator does.
    let reply = setup.sign_in(es256(), |claims| claims["preferred_username"] = json!("admin")).await;
    let session = reply.session().split(';').next().unwrap().to_owned();
    let me = setup.served.call("GET", "/api/v1/me", &[("cookie", &session)], b"").await.ok();
    assert_eq!(me["user"], "oidc:admin");
    // Nobody is sent to another site afterwards.
    let asked = setup.begin("//evil.example/").await;
    let token = setup.signers.sign(&es256(), &setup.claims(&asked["nonce"]));
    assert_eq!(setup.with_token(&asked, token).await.header("location"), "/");
}

#[tokio::test]
async fn new_keys_are_fetched_once_a_minute_at_most() {
    let setup = Setup::new().await;
    // The provider publishes other keys first.
    setup.plan.lock().unwrap().keys = Some(json!({ "keys": [] }));
    setup.sign_in(es256(), |_| {}).await.problem(401);
    let fetched = |asked: Vec<Asked>| asked.iter().filter(|asked| asked.path == "/keys").count();
    assert_eq!(fetched(setup.provider.asked()), 2, "once, and once more for the key that was missing");
    setup.plan.lock().unwrap().keys = None;
    setup.sign_in(es256(), |_| {}).await.problem(401);
    assert_eq!(fetched(setup.provider.asked()), 0, "not again within the minute");
}

#[tokio::test]
async fn wrong_settings_and_a_provider_in_trouble_are_told() {
    use tapir_manager::{Config, Manager};
    let scratch = support::Scratch::new();
    let store = support::sqlite(scratch.path());
    let bind = async |change: fn(&mut Config)| {
        let mut config = Config::new(scratch.path().join("data"));
        config.listen = ([127, 0, 0, 1], 0).into();
        config.oidc = Some(settings("https://id.example", &scratch.path().join("secret")));
        config.public_url = Some("https://tapir.example".into());
        change(&mut config);
        Manager::bind(config, store.clone()).await.err()
    };
    assert!(bind(|_| {}).await.is_none());
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 5] = [
        (|config| config.public_url = None, "--public-url"),
        (|config| config.public_url = Some("http://tapir.example".into()), "https://"),
        (|config| config.oidc.as_mut().unwrap().issuer = "http://id.example".into(), "https://"),
        (|config| config.oidc.as_mut().unwrap().grant.clear(), "grant"),
        (|config| config.oidc.as_mut().unwrap().clock_skew = 301, "300"),
    ];
    for (change, what) in cases {
        let error = bind(change).await.unwrap();
        assert!(matches!(error, ManagerError::Oidc(_)) && error.to_string().contains(what), "{error}");
    }
    // Another name in its description; an endpoint without TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let description = json!({
        "issuer": at, "authorization_endpoint": "http://evil.example/a", "token_endpoint": format!("{at}/t"),
        "jwks_uri": format!("{at}/k"),
    });
    let mock = Mock::on(listener, move |_| Say::new(200, description.to_string()));
    for issuer in [mock.url(), format!("{}/other", mock.url())] {
        let served = Served::with(|config| {
            config.oidc = Some(settings(&issuer, &config.data_dir.parent().unwrap().join("secret")));
            config.public_url = Some("https://tapir.example".into());
        })
        .await;
        let reply = served.call("GET", "/api/v1/session/oidc", &[], b"").await;
        reply.problem(503);
        assert!(!reply.header("retry-after").is_empty());
    }
    let served = Served::new().await;
    served.call("GET", "/api/v1/session/oidc", &[], b"").await.problem(404);
    assert_eq!(served.call("GET", "/api/v1/session/providers", &[], b"").await.ok()["items"], json!([]));
}
