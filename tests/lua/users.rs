//! `lua/users/*`.

use crate::Bench;

#[test]
fn welcome_writes_a_profile_once() {
    let mut bench = Bench::new();
    let mut welcome =
        |name: &str| bench.run::<i64>("users/welcome", &["profile"], &["1700000000000", name, "a@b.c"]);
    assert_eq!(welcome("ada"), 1);
    assert_eq!(welcome("other"), 0);
    assert_eq!(bench.command::<String>("HGET", "profile", &["username"]), "ada");
    assert_eq!(bench.command::<String>("HGET", "profile", &["updated"]), "1700000000000");
}
