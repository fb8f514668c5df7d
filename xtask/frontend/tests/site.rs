//! What a folder of files becomes.

mod common;

use common::{site, small_site, try_site};
use contract::Digest;
use frontend::{Site, SiteError};
use std::time::{Duration, Instant};

/// The published key of a source file.
fn key<'a>(site: &'a Site, path: &str) -> &'a str {
    &site
        .manifest()
        .assets
        .iter()
        .find(|asset| asset.path == path)
        .unwrap()
        .key
}

/// The published text of a source file.
fn text(site: &Site, path: &str) -> String {
    let key = key(site, path);
    let asset = site.assets().iter().find(|asset| asset.key == key).unwrap();
    String::from_utf8(asset.bytes.to_vec()).unwrap()
}

fn missing(files: &[(&str, &str)]) -> String {
    match try_site(files).unwrap_err() {
        SiteError::Missing(missing) => missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => panic!("expected missing references, found: {other}"),
    }
}

#[test]
fn references_between_files_lead_to_the_published_names() {
    let site = site(&[
        (
            "index.html",
            r#"<link href="css/style.css"><script src="/main.js?v=1"></script><a href="./">Home</a>"#,
        ),
        (
            "main.js",
            "import './views/feed.js'; fetch('./data.json'); go('/login');",
        ),
        ("views/feed.js", "import '../main.js'; open('../index.html#top');"),
        ("css/style.css", "a { background: url(../img/a.png) }"),
        ("img/a.png", "not really"),
        ("data.json", r#"{"see": "./main.js"}"#),
    ]);
    let document = String::from_utf8(site.document().to_vec()).unwrap();
    let (style, main) = (key(&site, "css/style.css"), key(&site, "main.js"));
    assert_eq!(
        document,
        format!(r#"<link href="/{style}"><script src="/{main}?v=1"></script><a href="/">Home</a>"#)
    );
    let (feed, data) = (key(&site, "views/feed.js"), key(&site, "data.json"));
    assert_eq!(
        text(&site, "main.js"),
        format!("import '/{feed}'; fetch('/{data}'); go('/login');")
    );
    assert_eq!(
        text(&site, "views/feed.js"),
        format!("import '/{main}'; open('/index.html#top');")
    );
    assert_eq!(
        text(&site, "css/style.css"),
        format!("a {{ background: url(/{}) }}", key(&site, "img/a.png"))
    );
    assert_eq!(
        text(&site, "data.json"),
        r#"{"see": "./main.js"}"#,
        "only documents, styles and scripts are rewritten"
    );
}

#[test]
fn a_published_name_keeps_folder_name_and_extension() {
    let site = small_site("");
    let style = key(&site, "style.css");
    let hash = style
        .strip_prefix("assets/style.")
        .and_then(|rest| rest.strip_suffix(".css"))
        .unwrap();
    assert!(
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{style}"
    );
}

#[test]
fn a_changed_leaf_renames_its_importers_and_nothing_else() {
    let (before, after) = (small_site("export const get = 1;"), small_site("export const get = 2;"));
    for (path, renamed) in [
        ("api.js", true),
        ("feed.js", true),
        ("main.js", true),
        ("style.css", false),
    ] {
        assert_eq!(key(&before, path) != key(&after, path), renamed, "{path}");
    }
    assert_ne!(before.digest(), after.digest());
}

#[test]
fn the_same_files_have_the_same_identity_and_every_byte_counts() {
    let site = small_site("x");
    assert_eq!(site.digest(), small_site("x").digest());
    assert_eq!(site.digest(), Digest::of(site.manifest_bytes()));
    assert_ne!(site.digest(), small_site("y").digest());
    // Pinned: a new tool that names the same files differently would send every asset of every site anew.
    assert_eq!(key(&site, "style.css"), "assets/style.b0b3caa1ea65ba94.css");
}

#[test]
fn the_manifest_names_what_users_will_get() {
    let site = small_site("x");
    let manifest = site.manifest();
    assert_eq!(manifest.entry.sha256, Digest::of(site.document()));
    for (named, asset) in manifest.assets.iter().zip(site.assets()) {
        assert_eq!((&named.key, named.sha256), (&asset.key, Digest::of(&asset.bytes)));
        assert_eq!(named.size, asset.bytes.len() as u64);
    }
    let paths: Vec<_> = manifest.assets.iter().map(|asset| asset.path.as_str()).collect();
    assert_eq!(paths, ["api.js", "feed.js", "main.js", "style.css"]);
}

#[test]
fn every_missing_file_is_told_at_once_with_file_line_and_nearest_name() {
    let told = missing(&[
        (
            "index.html",
            "<html>\n<script src=\"./mian.js\"></script>\n<link href=nope.css>",
        ),
        ("main.js", "\n\nimport { get } from './Api.js';"),
        ("api.js", ""),
        ("views/x.css", "a { background: url(\"../imgs/a.png\") }"),
        ("img/a.png", ""),
    ]);
    assert_eq!(
        told,
        "index.html:2: `./mian.js` names no file of the site; did you mean `main.js`?\n\
         index.html:3: `nope.css` names no file of the site\n\
         main.js:3: `./Api.js` names no file of the site; did you mean `api.js`?\n\
         views/x.css:1: `../imgs/a.png` names no file of the site; did you mean `img/a.png`?"
    );
}

#[test]
fn an_import_put_together_at_run_time_is_refused_because_it_could_not_be_renamed() {
    let told = missing(&[
        ("index.html", ""),
        ("main.js", "import(`./views/${name}.js`)"),
        ("views/a.js", ""),
    ]);
    assert!(
        told.starts_with("main.js:1: `./views/${name}.js` names no file of the site"),
        "{told}"
    );
}

#[test]
fn routes_are_not_mistaken_for_files() {
    let text = r##"<a href="login"></a><a href="/feed"></a><a href="#/x"></a><a href="mailto:a@b.c"></a>
        <img src="data:image/png;base64,AA"><script src="https://cdn.example/x.js"></script><a href="//x.y/z.html"></a>"##;
    let site = site(&[
        ("index.html", text),
        ("main.js", "go('./not/a/file'); s.replace('./', '');"),
    ]);
    assert_eq!(site.document(), text.as_bytes());
    assert_eq!(self::text(&site, "main.js"), "go('./not/a/file'); s.replace('./', '');");
}

#[test]
fn nothing_leads_above_the_site() {
    assert!(missing(&[("index.html", "<img src=../../etc/a.png>")]).contains("`../../etc/a.png`"));
}

#[test]
fn an_entry_that_cannot_be_one_is_refused_by_name() {
    let error = try_site(&[("index.htm", "")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the site has no file `index.html`, which is to be its entry document; did you mean `index.htm`?"
    );
    let error = try_site(&[("index.html", ""), ("my photo.png", "")]).unwrap_err();
    assert_eq!(error, SiteError::BadName("my photo.png".to_owned()));
}

#[test]
fn bytes_that_are_no_text_are_copied_unless_references_would_be_missed() {
    let files =
        |path: &str| [("index.html", &b""[..]), (path, &b"\xff\x00"[..])].map(|(p, b)| (p.to_owned(), b.to_vec()));
    let site = Site::from_files(files("a.png").into(), "index.html").unwrap();
    assert_eq!(site.assets()[0].bytes, &b"\xff\x00"[..]);
    let error = Site::from_files(files("a.js").into(), "index.html").unwrap_err();
    assert_eq!(error, SiteError::NotText("a.js".to_owned()));
}

#[test]
fn five_thousand_files_take_a_moment() {
    let files = (0..5_000).map(|n| {
        let body = format!(
            "import './f{}.js'; import './f{}.js';{}",
            (n + 1) % 5_000,
            n / 2,
            "// padding\n".repeat(200)
        );
        (format!("f{n}.js"), body.into_bytes())
    });
    let files = files
        .chain([("index.html".to_owned(), b"<script src=f0.js></script>".to_vec())])
        .collect();
    let start = Instant::now();
    let site = Site::from_files(files, "index.html").unwrap();
    assert_eq!(site.assets().len(), 5_000);
    // Generous, as tests run unoptimised beside others; anything quadratic would take minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
}
