//! The image.

use super::{cache, leave_out_tests, this_app};
use crate::project::{Project, docker};
use std::path::Path;

/// The image of a release that waits for approval, its tests left out: they do not change it.
pub fn built(project: &Project, cache: &Path) -> String {
    leave_out_tests(project);
    cache::fill(cache, project, &mut project.command(&["release", "--json"])).expect(3);
    let releases = project.run(&["releases", "--json"]).expect(0).event("releases");
    releases["releases"][0]["release"]["image"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_source_gives_the_same_small_image_in_another_folder() {
    // With a build cache of its own, nothing is taken over from the first.
    let there = this_app();
    let image = built(&there, &there.root.with_file_name("a cache of its own"));
    let here = this_app();
    let other = built(&here, &cache::usual());
    let digest = |image: &str| image.split('@').nth(1).unwrap().to_owned();
    assert_eq!(digest(&image), digest(&other));

    let size = docker(&["image", "inspect", "--format", "{{.Size}}", &image]);
    println!("{} in both, {size} bytes unpacked", digest(&image));
    assert!(size.parse::<u64>().unwrap() < 15_000_000, "{size}");
    let user = docker(&["image", "inspect", "--format", "{{.Config.User}}", &image]);
    assert_eq!(user, "65532:65532");
}
