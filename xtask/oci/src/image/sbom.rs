//! A bill of materials (CycloneDX 1.5): which packages, under which licences, are in the image.

use super::AssemblyError;
use serde::Serialize;

/// What the image's program was made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bom {
    /// The program itself.
    pub name: String,
    pub version: String,
    pub packages: Vec<Package>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// As its author wrote it; the older `MIT/Apache-2.0` is understood.
    pub licence: Option<String>,
    /// Cargo's name for where it came from; `None` is this workspace.
    pub source: Option<String>,
}

/// No serial number and no time: the same packages give the same document.
pub(super) fn document(bom: &Bom) -> Result<Vec<u8>, AssemblyError> {
    let mut packages = bom.packages.clone();
    packages.sort();
    packages.dedup();
    let document = Document {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        version: 1,
        metadata: Metadata {
            component: Component::application(bom),
        },
        components: packages.iter().map(Component::library).collect(),
    };
    serde_json::to_vec_pretty(&document).map_err(|error| AssemblyError::document("SBOM", &error))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
}

#[derive(Serialize)]
struct Metadata {
    component: Component,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    r#type: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
}

#[derive(Serialize)]
struct Licence {
    expression: String,
}

#[derive(Serialize)]
struct Reference {
    r#type: &'static str,
    url: String,
}

impl Component {
    fn application(bom: &Bom) -> Self {
        Self {
            r#type: "application",
            bom_ref: None,
            name: bom.name.clone(),
            version: bom.version.clone(),
            licenses: Vec::new(),
            purl: None,
            external_references: Vec::new(),
        }
    }

    fn library(package: &Package) -> Self {
        let source = package.source.as_deref();
        let from_crates_io = source.is_some_and(|source| source.contains("crates.io-index"));
        // `+` begins a version's build metadata, and is not a plain character in a package URL.
        let purl = format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B"));
        // A reference must name one component: one version may come from two places.
        let bom_ref = if from_crates_io {
            purl.clone()
        } else {
            format!("{purl}#{}", source.unwrap_or("workspace"))
        };
        let elsewhere = source.filter(|_| !from_crates_io);
        Self {
            r#type: "library",
            bom_ref: Some(bom_ref),
            name: package.name.clone(),
            version: package.version.clone(),
            licenses: package
                .licence
                .iter()
                .map(|text| Licence {
                    expression: expression(text),
                })
                .collect(),
            purl: from_crates_io.then_some(purl),
            external_references: elsewhere
                .map(|url| Reference {
                    r#type: "distribution",
                    url: url.to_owned(),
                })
                .into_iter()
                .collect(),
        }
    }
}

/// Crates of old wrote `MIT/Apache-2.0`, which SPDX spells `MIT OR Apache-2.0`.
fn expression(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: Option<&str>, source: Option<&str>) -> Package {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Package {
            name: name.into(),
            version: version.into(),
            licence: owned(licence),
            source: owned(source),
        }
    }

    #[test]
    fn the_bill_names_each_package_once_whatever_the_order() {
        let index = Some("registry+https://github.com/rust-lang/crates.io-index");
        let git = "git+https://example.test/forked?rev=abc#abc";
        let packages = vec![
            package("serde", "1.0.0", Some("MIT/Apache-2.0"), index),
            package("forked", "0.1.0", None, Some(git)),
            package("curve", "5.0.0+build", Some("BSD-3-Clause"), index),
            package("serde", "1.0.0", Some("MIT/Apache-2.0"), index),
        ];
        let mut bom = Bom {
            name: "shop".into(),
            version: "0.1.0".into(),
            packages,
        };
        let bytes = document(&bom).unwrap();
        bom.packages.reverse();
        assert_eq!(document(&bom).unwrap(), bytes);

        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let expected = serde_json::json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": { "component": { "type": "application", "name": "shop", "version": "0.1.0" } },
            "components": [
                { "type": "library", "bom-ref": "pkg:cargo/curve@5.0.0%2Bbuild", "name": "curve", "version": "5.0.0+build",
                  "licenses": [{ "expression": "BSD-3-Clause" }], "purl": "pkg:cargo/curve@5.0.0%2Bbuild" },
                { "type": "library", "bom-ref": format!("pkg:cargo/forked@0.1.0#{}", git), "name": "forked", "version": "0.1.0",
                  "externalReferences": [{ "type": "distribution", "url": git }] },
                { "type": "library", "bom-ref": "pkg:cargo/serde@1.0.0", "name": "serde", "version": "1.0.0",
                  "licenses": [{ "expression": "MIT OR Apache-2.0" }], "purl": "pkg:cargo/serde@1.0.0" },
            ],
        });
        assert_eq!(json, expected);
    }
}
