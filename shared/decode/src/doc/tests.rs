use super::*;

#[test]
fn a_tree_reads_as_it_was_written() {
    let payload = "temperature and more";
    let mut doc = Doc::new();
    for _ in 0..2 {
        doc.begin(payload).unwrap();
        doc.open_object("").unwrap();
        doc.push(&payload[..11], Scalar::Float(21.5));
        doc.open_array(&String::from("list")).unwrap();
        doc.push("", Scalar::Int(1));
        doc.open_array("").unwrap();
        doc.close();
        doc.push("", Scalar::Uint(u64::MAX));
        doc.close();
        doc.push("list", Scalar::Null);
        doc.close();
    }
    let root = doc.root(payload).unwrap();
    assert_eq!(root.len(), 3);
    assert_eq!(
        root.get("temperature").unwrap().scalar(),
        Some(Scalar::Float(21.5))
    );
    assert_eq!(
        root.get("list").unwrap().scalar(),
        Some(Scalar::Null),
        "the last of two entries of one key counts"
    );
    let list = root.items().nth(1).unwrap();
    assert_eq!(list.key(), "list");
    assert_eq!(list.len(), 3);
    assert_eq!(
        list.index(-1).unwrap().scalar(),
        Some(Scalar::Uint(u64::MAX))
    );
    assert!(list.index(1).unwrap().is_empty());
    assert!(list.index(3).is_none());
    assert_eq!(
        format!("{root:?}"),
        r#"{"temperature": Float(21.5), "list": [Int(1), [], Uint(18446744073709551615)], "list": Null}"#
    );
}

#[test]
fn depth_is_bounded() {
    let mut doc = Doc::new();
    doc.begin("").unwrap();
    for _ in 0..MAX_DEPTH {
        doc.open_array("").unwrap();
    }
    assert_eq!(doc.open_array(""), Err(DocError::TooDeep));
}
