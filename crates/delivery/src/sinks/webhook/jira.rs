//! Jira: is there an issue of the group already? Then it gets a comment instead of a second one beside it.
//!
//! *Spec*: the REST API's `issue`, `issue/KEY/comment` and search by JQL. Jira Cloud has `search/jql` and no `search` any more, Jira Data
//! Center has `search` only: the one that answers is kept. Issues that are done are left in peace: what comes after is a new one.

use crate::error::Error;
use crate::sinks::http::{Answer, HttpClient, HttpConfig};
use reqwest::Method;
use serde_json::Value;

/// Ways to search, in the order in which they are tried.
const SEARCHES: [&str; 2] = ["search/jql", "search"];

/// The part of Jira's API that is beside the address of issues.
#[derive(Debug)]
pub(super) struct Jira {
    client: HttpClient,
    project: String,
    search: Option<&'static str>,
    /// Searches that Jira does not do for us: issues are made without.
    pub(super) unsearched: u64,
}

/// What is known of a group's issue.
pub(super) enum Found {
    Issue(String),
    None,
    /// The answer that was none.
    Trouble(Result<Answer, String>),
}

impl Jira {
    /// `url` is that of issues, `…/rest/api/2/issue`.
    pub(super) fn new(url: &str, http: &HttpConfig, project: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let base = url.strip_suffix("/issue").unwrap_or(url);
        let client = HttpClient::new(base, http)?;
        Ok(Self { client, project: project.to_owned(), search: None, unsearched: 0 })
    }

    /// The newest issue of a label that is not done.
    pub(super) async fn find(&mut self, label: &str) -> Found {
        let project = self.project.replace('\\', "\\\\").replace('"', "\\\"");
        let jql = format!(
            "project = \"{project}\" AND labels = \"{label}\" AND statusCategory != Done ORDER BY created DESC"
        );
        let query: String = url_encoded(&jql);
        let ways: Vec<&'static str> = self.search.map_or(SEARCHES.to_vec(), |way| vec![way]);
        for way in ways {
            let path = format!("{way}?jql={query}&fields=key&maxResults=1");
            let answer = match self.client.send(Method::GET, &path, &[], Vec::new()).await {
                Ok(answer) => answer,
                Err(why) => return Found::Trouble(Err(why)),
            };
            match answer.status.as_u16() {
                200..=299 => {
                    self.search = Some(way);
                    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    let key = body.pointer("/issues/0/key").and_then(Value::as_str).filter(|key| is_key(key));
                    return key.map_or(Found::None, |key| Found::Issue(key.to_owned()));
                }
                401 | 403 | 408 | 425 | 429 | 500..=599 => return Found::Trouble(Ok(answer)),
                // No such way here, or no such project, which making the issue tells in Jira's words.
                _ => {}
            }
        }
        self.unsearched += 1;
        Found::None
    }

    /// Adds a comment to an issue.
    pub(super) async fn comment(
        &self,
        issue: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        self.client.send(Method::POST, &format!("issue/{issue}/comment"), headers, body).await
    }
}

/// The key of the issue that an answer says was made.
pub(super) fn made(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body.get("key").and_then(Value::as_str).filter(|key| is_key(key)).map(str::to_owned)
}

/// `SEC-12`: it becomes part of an address.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_become_part_of_an_address() {
        assert!(is_key("SEC-12") && !is_key("") && !is_key("SEC-1/../../x") && !is_key("a?b"));
        assert_eq!(url_encoded("a = \"b\""), "a%20%3D%20%22b%22");
    }
}
