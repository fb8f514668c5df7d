//! Every input that was ever of interest, given to its target again.

use fuzz::TARGETS;
use std::path::Path;

#[test]
fn nothing_in_the_corpora_breaks_what_must_hold() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in TARGETS {
        let mut inputs = 0;
        let corpus = std::fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}"));
        for input in corpus {
            let path = input.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| check(&bytes));
            assert!(
                outcome.is_ok(),
                "`{}` breaks target `{name}`; it said why above",
                path.display()
            );
            inputs += 1;
        }
        assert!(inputs > 2, "corpus/{name} holds {inputs} inputs");
    }
    let folders = std::fs::read_dir(&corpora).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "a folder of no target in {}", corpora.display());
}

#[test]
fn an_empty_input_and_a_torn_one_are_inputs_too() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, check) in TARGETS {
        check(b"");
        for input in std::fs::read_dir(corpora.join(name)).unwrap() {
            let bytes = std::fs::read(input.unwrap().path()).unwrap();
            check(&bytes[..bytes.len() / 2]);
        }
    }
}
