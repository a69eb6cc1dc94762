use proptest::prelude::*;

use super::*;

#[test]
fn a_table_gives_what_its_cells_say() {
    let table = Table::parse(
        "\u{feff}id, channel, unit, scale\n\
         28-0316,\"boiler, top\", °C, 0.1\n\
         \n\
         \"4711\", flow, ,\n",
    )
    .unwrap();
    let entry = table.get("28-0316").unwrap();
    assert_eq!(entry.channel.as_deref(), Some("boiler, top"));
    assert_eq!(entry.unit.as_deref(), Some("°C"));
    assert_eq!(entry.scale, Some(Conversion::linear(0.1, 0.0)));
    assert_eq!(entry.device, None);
    let entry = table.get("4711").unwrap();
    assert_eq!((&entry.unit, entry.scale), (&None, None));
    assert_eq!(table.get("28"), None);
}

#[test]
fn faults_say_where_they_are() {
    for (csv, expected) in [
        ("", "line 1: the column `id` is missing"),
        ("device\nx\n", "line 1: the column `id` is missing"),
        (
            "id,name\n",
            "line 1: there is no column `name`; the first line names the columns: id, device, channel, unit, scale",
        ),
        ("id,unit,unit\n", "line 1: the column `unit` is there twice"),
        (
            "id,unit\n1,V\n2,V,W\n",
            "line 3: 3 cells where the header has 2; a cell that holds a comma needs quotes around it",
        ),
        (
            "id,unit\n1,V\n2,V\n1,W\n",
            "line 4: the id `1` is on line 2 already; remove one of the two",
        ),
        ("id,unit\n,V\n", "line 2: the id is empty"),
        (
            "id,scale\n1,x\n",
            "line 2: the scale `x` is not a number other than 0",
        ),
        (
            "id,scale\n1,inf\n",
            "line 2: the scale `inf` is not a number other than 0",
        ),
    ] {
        assert_eq!(Table::parse(csv).unwrap_err(), expected, "{csv:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_table_or_not(csv: String, id: String) {
        for csv in [csv.clone(), format!("id,unit,scale\n{csv}")] {
            if let Ok(table) = Table::parse(&csv) {
                let _ = table.get(&id);
            }
        }
    }
}
