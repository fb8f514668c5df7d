//! Time zone files as rows of the server's zone tables.
//!
//! MariaDB's own loader is in the package with all the maintenance scripts, under a name that changes; the format is small.

use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The bootstrap refuses statements of 20,000 bytes.
const STATEMENT_BYTES: usize = 15_000;
const HEADER_BYTES: usize = 44;

/// SQL that fills the zone tables from a directory such as `/usr/share/zoneinfo`.
pub(super) fn statements(zoneinfo: &Path) -> Result<String> {
    let mut names = Vec::new();
    collect(zoneinfo, "", &mut names).with_context(|| format!("reading `{}`", zoneinfo.display()))?;
    names.sort();
    let mut tables = [
        "time_zone",
        "time_zone_name",
        "time_zone_transition",
        "time_zone_transition_type",
    ]
    .map(Rows::new);
    let [zones, zone_names, transitions, types] = &mut tables;
    for (index, name) in names.iter().enumerate() {
        let bytes = fs::read(zoneinfo.join(name)).with_context(|| format!("reading zone `{name}`"))?;
        let Some(zone) = Zone::parse(&bytes) else { continue };
        let id = index + 1;
        zones.push(format_args!("({id},'N')"));
        zone_names.push(format_args!("('{name}',{id})"));
        for (time, kind) in &zone.transitions {
            transitions.push(format_args!("({id},{time},{kind})"));
        }
        for (kind, offset) in zone.types.iter().enumerate() {
            let (seconds, summer, short) = (offset.seconds, u8::from(offset.summer), &offset.short);
            types.push(format_args!("({id},{kind},{seconds},{summer},'{short}')"));
        }
    }
    ensure!(!zone_names.sql.is_empty(), "no time zones in `{}`", zoneinfo.display());
    let names = tables.each_ref().map(|rows| rows.table);
    let rows: String = tables.into_iter().map(Rows::finish).collect();
    Ok(format!("{}{rows}{}", transactional(names, 0), transactional(names, 1)))
}

/// Without this the tables' log, which is kept in the image, is larger than the tables.
fn transactional(tables: [&str; 4], on: u8) -> String {
    tables
        .map(|table| format!("ALTER TABLE mysql.{table} TRANSACTIONAL={on};\n"))
        .concat()
}

/// Zone names under a directory. Names that could not be written into SQL as they are belong to no zone.
fn collect(zoneinfo: &Path, at: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(zoneinfo.join(at))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // A link out of the tree (`localtime`) would name this machine's zone, not one of the package's.
        let leaves_tree = fs::read_link(entry.path()).is_ok_and(|target| target.is_absolute());
        if leaves_tree
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-+".contains(&byte))
        {
            continue;
        }
        let path = if at.is_empty() { name } else { format!("{at}/{name}") };
        if fs::metadata(entry.path()).is_ok_and(|found| found.is_dir()) {
            collect(zoneinfo, &path, names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

/// Rows of one table, cut into statements.
struct Rows {
    table: &'static str,
    sql: String,
    open: usize,
}

impl Rows {
    fn new(table: &'static str) -> Self {
        Self {
            table,
            sql: String::new(),
            open: 0,
        }
    }

    fn push(&mut self, row: std::fmt::Arguments<'_>) {
        if self.open > STATEMENT_BYTES {
            self.sql.push_str(";\n");
            self.open = 0;
        }
        let before = self.sql.len();
        if self.open == 0 {
            self.sql.push_str("INSERT INTO mysql.");
            self.sql.push_str(self.table);
            self.sql.push_str(" VALUES ");
        } else {
            self.sql.push(',');
        }
        // Writing to a string cannot fail.
        let _ = self.sql.write_fmt(row);
        self.open += self.sql.len() - before;
    }

    fn finish(mut self) -> String {
        if self.open > 0 {
            self.sql.push_str(";\n");
        }
        self.sql
    }
}

/// A file of the `TZif` format (RFC 8536): its first part, with 32-bit times, which is what the server's timestamps hold.
#[derive(Debug, PartialEq)]
struct Zone {
    /// From this time on, the local time type of this index.
    transitions: Vec<(i32, u8)>,
    types: Vec<LocalTime>,
}

#[derive(Debug, PartialEq)]
struct LocalTime {
    seconds: i32,
    summer: bool,
    short: String,
}

impl Zone {
    /// `None` for what is not a zone file.
    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.strip_prefix(b"TZif")?;
        let count = |index: usize| Some(i32_at(bytes, 20 + 4 * index)? as usize);
        let (times, kinds, letters) = (count(3)?, count(4)?, count(5)?);
        let kinds_of_times = HEADER_BYTES + 4 * times;
        let types_at = kinds_of_times + times;
        let letters_at = types_at + 6 * kinds;
        let short_names = bytes.get(letters_at..letters_at + letters)?;
        let transition = |n| Some((i32_at(bytes, HEADER_BYTES + 4 * n)?, *bytes.get(kinds_of_times + n)?));
        let local_time = |n| {
            let at = types_at + 6 * n;
            let short = short_names
                .get(usize::from(*bytes.get(at + 5)?)..)?
                .split(|byte| *byte == 0)
                .next()?;
            let short = short
                .iter()
                .filter(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(byte));
            Some(LocalTime {
                seconds: i32_at(bytes, at)?,
                summer: *bytes.get(at + 4)? != 0,
                short: short.map(|byte| char::from(*byte)).collect(),
            })
        };
        Some(Self {
            transitions: (0..times).map(transition).collect::<Option<_>>()?,
            types: (0..kinds).map(local_time).collect::<Option<_>>()?,
        })
    }
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two types, KST at UTC+9 and KDT at UTC+10, and one change into each.
    fn seoul() -> Vec<u8> {
        let mut file = b"TZif2".to_vec();
        file.extend([0; 15]);
        for count in [0_i32, 0, 0, 2, 2, 8] {
            file.extend(count.to_be_bytes());
        }
        for time in [547_578_000_i32, 560_883_600] {
            file.extend(time.to_be_bytes());
        }
        file.extend([1, 0]);
        file.extend(32_400_i32.to_be_bytes());
        file.extend([0, 0]);
        file.extend(36_000_i32.to_be_bytes());
        file.extend([1, 4]);
        file.extend(b"KST\0KDT\0");
        file
    }

    #[test]
    fn a_zone_file_becomes_rows_of_the_four_tables() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Asia")).unwrap();
        fs::write(dir.path().join("Asia/Seoul"), seoul()).unwrap();
        fs::write(dir.path().join("zone.tab"), "not a zone").unwrap();
        fs::write(dir.path().join("leapseconds"), "nor this").unwrap();
        let sql = statements(dir.path()).unwrap();
        assert!(
            sql.starts_with("ALTER TABLE mysql.time_zone TRANSACTIONAL=0;\n"),
            "{sql}"
        );
        assert!(
            sql.ends_with("ALTER TABLE mysql.time_zone_transition_type TRANSACTIONAL=1;\n"),
            "{sql}"
        );
        let rows: String = sql
            .split_inclusive('\n')
            .filter(|line| line.starts_with("INSERT"))
            .collect();
        let expected = "INSERT INTO mysql.time_zone VALUES (1,'N');\n\
             INSERT INTO mysql.time_zone_name VALUES ('Asia/Seoul',1);\n\
             INSERT INTO mysql.time_zone_transition VALUES (1,547578000,1),(1,560883600,0);\n\
             INSERT INTO mysql.time_zone_transition_type VALUES (1,0,32400,0,'KST'),(1,1,36000,1,'KDT');\n";
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_cut_zone_file_is_no_zone() {
        let whole = seoul();
        assert!(Zone::parse(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Zone::parse(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn statements_stay_below_what_the_bootstrap_takes() {
        let mut rows = Rows::new("time_zone");
        for id in 0..10_000 {
            rows.push(format_args!("({id},'N')"));
        }
        let sql = rows.finish();
        assert!(sql.lines().count() > 5 && sql.lines().all(|line| line.len() < 20_000 && line.ends_with(';')));
        assert_eq!(sql.matches("'N'").count(), 10_000);
    }
}
