//! What an agent finds where its memory should be: it takes it as it is, or sets it aside and begins without.

pub fn check(bytes: &[u8]) {
    let folder = crate::folder();
    let path = folder.path().join("state.json");
    std::fs::write(&path, bytes).expect("a file");
    let was_taken = agent::fuzzing::remember(folder.path());
    let aside = std::fs::read(folder.path().join("state.json.unusable"));
    match was_taken {
        true => assert!(aside.is_err(), "taken, and set aside as well"),
        false => assert_eq!(aside.expect("set aside"), bytes),
    }
}
