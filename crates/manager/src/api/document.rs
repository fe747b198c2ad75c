//! What holds for all calls and is therefore said once, not at each of them: that an error is a problem of its own content type, that any
//! call may have one, and who may call.

use super::Routes;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};

/// Where the schema of an error is.
const PROBLEM: &str = "#/components/schemas/Problem";
const PLAIN_JSON: &str = "application/json";
const PROBLEM_JSON: &str = "application/problem+json";

/// Who may make the calls of a set of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Anybody.
    Anybody,
    /// People: the administrator's token, a token of the cluster, or the cookie of a sign-in.
    People,
    /// Agents, by their token, a token of the cluster, or a client certificate.
    Agents,
}

impl Who {
    fn requirements(self) -> Vec<SecurityRequirement> {
        let names: &[&str] = match self {
            Self::Anybody => &[],
            Self::People => &["admin", "kubernetes", "session"],
            Self::Agents => &["agent", "kubernetes", "certificate"],
        };
        names.iter().map(|name| SecurityRequirement::new(*name, [] as [&str; 0])).collect()
    }
}

/// The routes with their calls described as calls of `who`.
pub(super) fn of(who: Who, mut routes: Routes) -> Routes {
    for operation in operations(routes.get_openapi_mut()) {
        operation.security = Some(who.requirements());
        errors(operation);
    }
    routes
}

/// Names what [`Who`] refers to.
pub(super) fn schemes(document: &mut OpenApi) {
    let token = |text: &str| {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some(text.to_owned());
        SecurityScheme::Http(http)
    };
    let mut cookie = ApiKeyValue::new("tapir-INSTANCE");
    cookie.description = Some(
        "Of `POST /api/v1/session`. `INSTANCE` are eight digits that each manager has of its own; behind TLS `__Host-` stands before the name. Calls that change something need `X-Tapir-Csrf`, too."
            .to_owned(),
    );
    let certificate = "A client certificate of the authorities of `--tls-client-ca`: for the node that it names.";
    let components = document.components.get_or_insert_with(Components::new);
    for (name, scheme) in [
        ("admin", token("The administrator's token.")),
        ("agent", token("An agent's token: ingest and heartbeat, nothing else.")),
        ("kubernetes", token("A token of the cluster, where the manager runs with `--kubernetes`.")),
        (
            "certificate",
            SecurityScheme::MutualTls { description: Some(certificate.to_owned()), deprecated: None, extensions: None },
        ),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ] {
        components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        [get, put, post, delete, patch].into_iter().flatten()
    })
}

/// Problems get their content type; calls that are silent about other errors get one answer for all of these.
fn errors(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for response in responses.values_mut() {
        if let RefOr::T(response) = response {
            as_problem(response);
        }
    }
    let any = ResponseBuilder::new().description("Any other error").content(PROBLEM_JSON, problem()).build();
    responses.entry("default".to_owned()).or_insert(RefOr::T(any));
}

fn problem() -> Content {
    Content::new(Some(RefOr::<Schema>::Ref(Ref::new(PROBLEM))))
}

fn as_problem(response: &mut Response) {
    let is_problem = response
        .content
        .get(PLAIN_JSON)
        .and_then(|content| match content {
            RefOr::T(content) => content.schema.as_ref(),
            RefOr::Ref(_) => None,
        })
        .is_some_and(|schema| matches!(schema, RefOr::Ref(reference) if reference.ref_location == PROBLEM));
    if is_problem {
        response.content.clear();
        response.content.insert(PROBLEM_JSON.to_owned(), RefOr::T(problem()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// (method and path, operation) of the document.
    fn operations() -> Vec<(String, Value)> {
        let text = crate::api::openapi().unwrap_or_default();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut out = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                out.push((format!("{method} {path}"), operation.clone()));
            }
        }
        out
    }

    #[test]
    fn every_call_says_who_may_make_it_and_how_it_fails() {
        let operations = operations();
        assert!(operations.len() > 40, "{} calls", operations.len());
        for (call, operation) in &operations {
            let open = [
                "post /api/v1/session",
                "delete /api/v1/session",
                "get /api/v1/session/providers",
                "get /api/v1/session/oidc",
                "get /api/v1/session/oidc/callback",
                "get /api/v1/openapi.json",
                "get /healthz",
                "get /metrics",
            ];
            let security = operation["security"].as_array().unwrap_or_else(|| panic!("{call} says nothing"));
            assert_eq!(security.is_empty(), open.contains(&call.as_str()), "{call}");
            let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{call}"));
            assert!(responses["default"]["content"]["application/problem+json"].is_object(), "{call}");
            for (status, response) in responses {
                let plain = &response["content"]["application/json"]["schema"]["$ref"];
                assert_ne!(plain, super::PROBLEM, "{call} {status}");
            }
        }
    }

    #[test]
    fn agents_calls_are_not_peoples() {
        let of = |call: &str| {
            let found = operations().into_iter().find(|(name, _)| name == call);
            found.map(|(_, operation)| operation["security"].clone()).unwrap_or_default()
        };
        assert_eq!(
            of("post /api/v1/ingest"),
            serde_json::json!([{ "agent": [] }, { "kubernetes": [] }, { "certificate": [] }])
        );
        assert_eq!(
            of("get /api/v1/groups"),
            serde_json::json!([{ "admin": [] }, { "kubernetes": [] }, { "session": [] }])
        );
    }
}
