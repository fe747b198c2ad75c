//! Tokens, sessions, CSRF, limits of failed sign-ins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod support;

use serde_json::json;
use support::{Scratch, Served, sqlite};
use tapir_manager::{Config, Manager, ManagerError};

async fn sign_in(served: &Served, token: &str) -> support::Reply {
    let body = json!({ "token": token }).to_string();
    served.call("POST", "/api/v1/session", &[("content-type", "application/json")], body.as_bytes()).await
}

#[tokio::test]
async fn nothing_of_the_api_is_open() {
    let served = Served::new().await;
    let document: serde_json::Value = serde_json::from_str(&tapir_manager::openapi().unwrap()).unwrap();
    let mut calls = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let open = ["/api/v1/openapi.json", "/healthz", "/metrics"].contains(&path.as_str())
                || path.starts_with("/api/v1/session");
            if open {
                continue;
            }
            let path = path.replace("{id}", "0000000000000001").replace("{", "").replace("}", "");
            let reply = served.call(&method.to_uppercase(), &path, &[("content-type", "application/json")], b"").await;
            reply.problem(401);
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
            calls += 1;
        }
    }
    assert!(calls > 35, "{calls}");
}

#[tokio::test]
async fn agents_may_send_and_nothing_else() {
    let served = Served::new().await;
    let agent = format!("Bearer {}", served.agent);
    served.call("GET", "/api/v1/groups", &[("authorization", &agent)], b"").await.problem(403);
    sign_in(&served, &served.agent).await.problem(403);
    let admin = format!("Bearer {}", served.admin);
    let headers = [("authorization", admin.as_str()), ("content-type", "application/x-ndjson")];
    served.call("POST", "/api/v1/ingest", &headers, b"{}").await.problem(403);
}

#[tokio::test]
async fn a_session_reads_with_its_cookie_and_changes_with_its_csrf_word() {
    let served = Served::new().await;
    let reply = sign_in(&served, &served.admin).await;
    let csrf = reply.ok()["csrf"].as_str().unwrap().to_owned();
    let set = reply.session();
    assert!(set.starts_with("tapir-") && set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let me = served.call("GET", "/api/v1/me", &[("cookie", cookie)], b"").await.ok();
    assert_eq!((&me["user"], &me["how"], &me["csrf"]), (&json!("admin"), &json!("token"), &json!(csrf)));
    assert_eq!(me["can"], json!({ "read": true, "act": true, "tune": true, "admin": true }));
    let check = |csrf: Option<String>| {
        let served = &served;
        async move {
            let mut headers = vec![("cookie", cookie), ("content-type", "application/json")];
            if let Some(csrf) = &csrf {
                headers.push(("x-tapir-csrf", csrf.as_str()));
            }
            served.call("POST", "/api/v1/query/check", &headers, b"{\"q\":\"sid:1\"}").await
        }
    };
    check(None).await.problem(403);
    check(Some("wrong".into())).await.problem(403);
    check(Some(csrf)).await.ok();
    let out = served.call("DELETE", "/api/v1/session", &[("cookie", cookie)], b"").await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    served.call("GET", "/api/v1/me", &[("cookie", cookie)], b"").await.problem(401);
}

#[tokio::test]
async fn two_managers_of_one_host_keep_their_sessions_apart_and_a_start_keeps_the_name() {
    let (one, other) = (Served::new().await, Served::new().await);
    let mut jar = Vec::new();
    for served in [&one, &other] {
        let reply = sign_in(served, &served.admin).await;
        reply.ok();
        jar.push(reply.session().split(';').next().unwrap().to_owned());
    }
    let name = |pair: &str| pair.split('=').next().unwrap().to_owned();
    assert_ne!(name(&jar[0]), name(&jar[1]));
    // A browser sends both to either: it knows hosts, not ports.
    let both = jar.join("; ");
    for served in [&one, &other] {
        served.call("GET", "/api/v1/me", &[("cookie", &both)], b"").await.ok();
    }
    let scratch = Scratch::new();
    let mut names = std::collections::BTreeSet::new();
    let mut token = String::new();
    for _ in 0..2 {
        let mut config = Config::new(scratch.path().join("data"));
        config.listen = ([127, 0, 0, 1], 0).into();
        let manager = Manager::bind(config, sqlite(Scratch::new().path())).await.unwrap();
        if let Some((_, new)) = manager.new_tokens().iter().find(|(name, _)| *name == "admin") {
            token = new.clone();
        }
        let served = Served::serving(manager, Scratch::new());
        let reply = sign_in(&served, &token).await;
        reply.ok();
        names.insert(name(reply.session()));
    }
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn a_sign_in_link_opens_one_session() {
    let scratch = Scratch::new();
    let mut config = Config::new(scratch.path().join("data"));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.public_url = Some("https://tapir.example/".into());
    let manager = Manager::bind(config, sqlite(scratch.path())).await.unwrap();
    let link = manager.sign_in_link("/alerts?from=now-7d").unwrap();
    let word = link.strip_prefix("https://tapir.example/alerts?from=now-7d#sign-in=").unwrap().to_owned();
    let served = Served::serving(manager, scratch);
    // It is no token of the API.
    let bearer = format!("Bearer {word}");
    served.call("GET", "/api/v1/me", &[("authorization", &bearer)], b"").await.problem(401);
    let reply = sign_in(&served, &word).await;
    reply.ok();
    let cookie = reply.header("set-cookie").split(';').next().unwrap();
    let me = served.call("GET", "/api/v1/me", &[("cookie", cookie)], b"").await.ok();
    assert_eq!((&me["user"], &me["can"]["admin"]), (&json!("admin"), &json!(true)));
    sign_in(&served, &word).await.problem(401);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure_and_bound_to_the_host() {
    let served = Served::with(|config| config.behind_tls = true).await;
    let reply = sign_in(&served, &served.admin).await;
    let set = reply.session();
    assert!(set.starts_with("__Host-tapir-") && set.contains("; Secure") && set.contains("Path=/"), "{set}");
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_then_slowed_down() {
    let served = Served::with(|config| config.limits.failed_sign_ins = 3).await;
    let session = sign_in(&served, &served.admin).await;
    let cookie = session.session().split(';').next().unwrap();
    for _ in 0..3 {
        sign_in(&served, "wrong").await.problem(401);
    }
    let reply = sign_in(&served, "wrong").await;
    reply.problem(429);
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    served.call("GET", "/api/v1/me", &[("authorization", "Bearer wrong")], b"").await.problem(429);
    let long = format!("Bearer {}", "x".repeat(20 << 10));
    served.call("GET", "/api/v1/me", &[("authorization", &long)], b"").await.problem(429);

    // Whoever has a token or a session may share the address with the one that has not.
    served.get("/api/v1/me").await.ok();
    served.ingest(&[support::event(1, 1, "192.0.2.1", 10)]).await.ok();
    served.call("GET", "/api/v1/me", &[("cookie", cookie)], b"").await.ok();
    sign_in(&served, &served.admin).await.ok();
    sign_in(&served, "wrong").await.problem(429);
}

#[tokio::test]
async fn tokens_are_made_once_kept_as_hashes_and_rotated_by_deleting_them() {
    let scratch = Scratch::new();
    let config = || {
        let mut config = Config::new(scratch.path().join("data"));
        config.listen = ([127, 0, 0, 1], 0).into();
        config
    };
    let store = sqlite(scratch.path());
    let first = Manager::bind(config(), store.clone()).await.unwrap().new_tokens().to_vec();
    assert_eq!(
        first.iter().map(|(name, token)| (*name, token.len())).collect::<Vec<_>>(),
        [("admin", 64), ("agent", 64)]
    );
    let file = scratch.path().join("data/admin-token.sha256");
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&first[0].1));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Manager::bind(config(), store.clone()).await.unwrap().new_tokens().is_empty());
    std::fs::remove_file(&file).unwrap();
    let again = Manager::bind(config(), store.clone()).await.unwrap().new_tokens().to_vec();
    assert!(again.len() == 1 && again[0].1 != first[0].1);
    std::fs::write(&file, "nonsense").unwrap();
    assert!(matches!(Manager::bind(config(), store.clone()).await, Err(ManagerError::BadHash { .. })));
    std::fs::remove_file(&file).unwrap();
    let mut weak = config();
    weak.agent_tokens = vec!["short".into()];
    assert!(matches!(Manager::bind(weak, store).await, Err(ManagerError::WeakToken(5))));
}

#[tokio::test]
async fn a_token_from_a_secret_lets_an_agent_in() {
    let token = "0123456789abcdef0123456789abcdef";
    let served = Served::with(|config| config.agent_tokens = vec![token.to_owned()]).await;
    let headers = [("authorization", "Bearer 0123456789abcdef0123456789abcdef"), ("content-type", "application/json")];
    served.call("POST", "/api/v1/heartbeat", &headers, b"{\"node\":\"n\"}").await.ok();
}
