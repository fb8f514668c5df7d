//! What a router finds where its table should be: it serves by it, or keeps it under another name and waits for a table.

use contract::{Generation, Weight};
use router::{Clock, Control};

pub fn check(bytes: &[u8]) {
    let folder = crate::folder();
    let path = folder.path().join("router.json");
    std::fs::write(&path, bytes).expect("a file");
    let control = Control::start(&path, Clock::new("this".to_owned(), || 1_000)).expect("a router");
    let status = crate::admin::block_on(control.status());
    let all: u32 = status
        .versions
        .iter()
        .map(|version| u32::from(version.weight.as_per_mille()))
        .sum();
    let serves = !status.versions.is_empty();
    assert!(
        !serves || all == u32::from(Weight::ALL.as_per_mille()),
        "{all} per mille"
    );
    let entries = std::fs::read_dir(folder.path()).expect("a folder").flatten();
    let aside = entries.filter(|entry| entry.file_name().to_string_lossy().contains("unreadable-"));
    let aside: Vec<_> = aside
        .map(|entry| std::fs::read(entry.path()).expect("a file"))
        .collect();
    if !aside.is_empty() {
        assert_eq!(aside, [bytes], "kept as it was");
        assert_eq!((serves, status.generation), (false, Generation::default()));
    }
    // What it then keeps, a router that follows takes.
    drop(control);
    let next = Control::start(&path, Clock::new("this".to_owned(), || 1_001)).expect("a router");
    let after = crate::admin::block_on(next.status());
    assert_eq!(after.generation, status.generation);
    assert!(after.epoch > status.epoch, "{} after {}", after.epoch, status.epoch);
}
