//! Lines that other programs printed, as text alone: they may neither move a cursor nor colour what comes after them.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';

/// The line without control characters, and without what an escape makes of those behind it.
pub fn plain(line: &str) -> Cow<'_, str> {
    let is_kept = |c: char| c == '\t' || !c.is_control();
    if line.chars().all(is_kept) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == ESCAPE {
            skip_sequence(&mut rest);
        } else if is_kept(c) {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

/// `ESC [ … letter`, or `ESC` and one character.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    if rest.next() == Some('[') {
        rest.find(|c| ('@'..='~').contains(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_cursors_go_and_words_stay() {
        for (line, expected) in [
            ("plain\ttext ä", "plain\ttext ä"),
            ("\u{1b}[1;32mINFO\u{1b}[0m started", "INFO started"),
            ("\u{1b}[2J\u{1b}[Hgone\r\u{7}", "gone"),
            ("cut off \u{1b}[3", "cut off "),
            ("\u{1b}", ""),
        ] {
            assert_eq!(plain(line), expected);
        }
    }
}
