//! Tests only: enough of JSON to read measured cases.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Other,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Json {
        let mut chars = text.chars().peekable();
        value(&mut chars)
    }

    pub(crate) fn field(&self, name: &str) -> &Json {
        match self {
            Json::Map(fields) => fields.iter().find(|(key, _)| key == name).map_or(&Json::Other, |(_, value)| value),
            _ => &Json::Other,
        }
    }

    pub(crate) fn text(&self) -> &str {
        if let Json::Text(text) = self { text } else { "" }
    }

    pub(crate) fn number(&self) -> u64 {
        if let Json::Number(number) = self { *number } else { 0 }
    }

    pub(crate) fn list(&self) -> &[Json] {
        if let Json::List(list) = self { list } else { &[] }
    }
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

fn value(chars: &mut Chars<'_>) -> Json {
    blanks(chars);
    match chars.peek() {
        Some('"') => Json::Text(string(chars)),
        Some('[') => Json::List(items(chars, ']', value)),
        Some('{') => Json::Map(items(chars, '}', |chars| {
            let key = string(chars);
            blanks(chars);
            assert_eq!(chars.next(), Some(':'));
            (key, value(chars))
        })),
        _ => {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| !matches!(c, ',' | ']' | '}') && !c.is_whitespace()) {
                word.push(c);
            }
            match word.as_str() {
                "true" | "false" => Json::Bool(word == "true"),
                _ => word.parse().map_or(Json::Other, Json::Number),
            }
        }
    }
}

fn items<T>(chars: &mut Chars<'_>, end: char, item: impl Fn(&mut Chars<'_>) -> T) -> Vec<T> {
    let mut list = Vec::new();
    chars.next();
    loop {
        blanks(chars);
        match chars.peek() {
            Some(c) if *c == end => {
                chars.next();
                return list;
            }
            Some(',') => {
                chars.next();
                blanks(chars);
            }
            Some(_) => {}
            None => panic!("unterminated"),
        }
        if chars.peek() != Some(&end) {
            list.push(item(chars));
        }
    }
}

fn string(chars: &mut Chars<'_>) -> String {
    let mut out = String::new();
    chars.next();
    while let Some(c) = chars.next() {
        match c {
            '"' => return out,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    out.push(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('?'));
                }
                other => out.extend(other),
            },
            c => out.push(c),
        }
    }
    panic!("unterminated")
}

fn blanks(chars: &mut Chars<'_>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

#[test]
fn values_are_read() {
    let json = Json::parse(r#" {"a": [1, "x\"\u0041", null], "b": {}, "c": true} "#);
    assert_eq!(json.field("a").list()[1].text(), "x\"A");
    assert_eq!((json.field("a").list()[0].number(), json.field("c")), (1, &Json::Bool(true)));
}
