use proptest::prelude::*;

use super::*;
use crate::testing::with_scope;

const JSON: &str =
    r#"{"a":{"b.c":[10,20,{"d":30}],"$x":1},"e":2,"t":[100,200],"PM2.5":{"value":7}}"#;

fn check(path: &str, expected: Option<&str>) {
    with_scope(JSON, &["e", "1"], |scope| {
        let names = |name: &str| {
            ["key", "i"]
                .iter()
                .position(|n| *n == name)
                .map(Name::Topic)
        };
        let path = Path::parse(path, &names).unwrap();
        let found = path.get(scope).map(|item| format!("{item:?}"));
        assert_eq!(found.as_deref(), expected, "{path:?}");
    });
}

#[test]
fn paths() {
    check("e", Some("Int(2)"));
    check("$.e", Some("Int(2)"));
    check(".e", Some("Int(2)"));
    check("a.\"b.c\"[0]", Some("Int(10)"));
    check("a.\"b.c\"[-1].d", Some("Int(30)"));
    check("a.$x", Some("Int(1)"));
    check("a.b.c", None);
    check("\"PM2.5\".value", Some("Int(7)"));
    check("{key}", Some("Int(2)"));
    check("t[{i}]", Some("Int(200)"));
    check("$.t[0]", Some("Int(100)"));
    check("t[2]", None);
    check("e.f", None);
}

#[test]
fn the_whole() {
    with_scope(JSON, &[], |scope| {
        for text in ["$", "."] {
            let path = Path::parse(text, &|_| None).unwrap();
            assert!(path.is_whole());
            assert_eq!(path.get(scope).map(|item| item.id()), Some(0));
        }
    });
}

#[test]
fn faults() {
    let check = |text: &str, expected: &str| {
        let error = Path::parse(text, &|_| None).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "`.` is the element");
    check("a..b", "key is missing");
    check("a.", "key is missing");
    check("a[0", "without its");
    check("a[x]", "number");
    check("a[0]b", "dot is missing");
    check("\"a", "quotation");
    check("a.*", "each");
    check("a.{b}", "nothing captures");
    check("a*b", "quoted");
}

#[test]
fn paths_of_each() {
    let mut names = vec!["i".to_owned()];
    let path = Path::parse_each("data.{key}[*].x[{i}]", &mut names).unwrap();
    assert_eq!(names, ["i", "key"]);
    let every = |name, elements| Step::Every(Every { name, elements });
    assert_eq!(path.steps()[1], every(Some(1), false));
    assert_eq!(path.steps()[2], every(None, true));
    assert_eq!(path.steps()[4], every(Some(0), true));
    assert!(Path::parse_each("{a}.{a}", &mut names).is_err());
    assert!(Path::parse_each("a.@", &mut names).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in r#"[a.$@*\[\]{}"0-9-]{0,16}"#) {
        let _ = Path::parse(&text, &|_| Some(Name::Topic(0)));
        let _ = Path::parse_each(&text, &mut Vec::new());
    }
}
