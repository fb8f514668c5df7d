//! What has been typed so far, read along the tree of commands. Pure.

use clap::{Arg, ArgAction, Command};
use std::collections::BTreeMap;

/// The last word, and what is known of it from those before.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub wanted: Wanted,
    /// What is there of it.
    pub typed: String,
    /// The beginning of the word that stays: `--to=`.
    pub kept: String,
    /// Arguments that were given before, by their names.
    pub given: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One of these, with what each is.
    OneOf(Vec<(String, String)>),
    /// A value of an argument that the command line alone cannot know.
    Value {
        command: String,
        argument: String,
    },
    Nothing,
}

impl Words {
    pub fn read(cli: &Command, words: &[String]) -> Self {
        let (typed, before) = words
            .split_last()
            .map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
        let mut state = State {
            command: cli,
            value_of: None,
            position: 0,
            given: BTreeMap::new(),
            is_over: false,
        };
        before.iter().for_each(|word| state.read(word));
        state.end(typed)
    }
}

struct State<'a> {
    command: &'a Command,
    /// The option whose value comes next.
    value_of: Option<&'a Arg>,
    position: usize,
    given: BTreeMap<String, String>,
    /// What comes is for another program, or for nobody.
    is_over: bool,
}

impl<'a> State<'a> {
    fn read(&mut self, word: &str) {
        if let Some(option) = self.value_of.take() {
            match word {
                // bash makes three words of `--to=01`.
                "=" => self.value_of = Some(option),
                value => self.give(option, value),
            }
        } else if word == "--" {
            self.is_over = true;
        } else if let Some(option) = word.strip_prefix("--") {
            let (name, value) = option
                .split_once('=')
                .map_or((option, None), |(name, value)| (name, Some(value)));
            let Some(option) = self.option(name) else { return };
            match value {
                Some(value) => self.give(option, value),
                None if takes_value(option) => self.value_of = Some(option),
                None => self.give(option, ""),
            }
        } else if let Some(option) = word.strip_prefix('-').and_then(|short| self.short(short)) {
            match takes_value(option) {
                true => self.value_of = Some(option),
                false => self.give(option, ""),
            }
        } else if let Some(command) = self.command.find_subcommand(word) {
            self.command = command;
            self.position = 0;
        } else if let Some(argument) = self.positional() {
            self.give(argument, word);
            if !matches!(argument.get_action(), ArgAction::Append) {
                self.position += 1;
            }
        } else {
            self.is_over = true;
        }
    }

    fn end(mut self, typed: &str) -> Words {
        let (mut kept, mut typed) = (String::new(), typed.to_owned());
        if self.value_of.is_some() && typed == "=" {
            typed.clear();
        }
        if let (None, Some((name, value))) = (self.value_of, typed.split_once('='))
            && let Some(option) = name.strip_prefix("--").and_then(|name| self.option(name))
        {
            self.value_of = Some(option).filter(|option| takes_value(option));
            (kept, typed) = (format!("{name}="), value.to_owned());
        }
        let wanted = match self.value_of {
            _ if self.is_over => Wanted::Nothing,
            Some(option) => self.value(option),
            None if typed.starts_with('-') => Wanted::OneOf(self.options()),
            None => self.command_or_positional(),
        };
        let wanted = match wanted {
            Wanted::OneOf(mut all) => {
                all.retain(|(name, _)| name.starts_with(&typed));
                Wanted::OneOf(all)
            }
            other => other,
        };
        Words {
            wanted,
            typed,
            kept,
            given: self.given,
        }
    }

    fn give(&mut self, argument: &Arg, value: &str) {
        self.given.insert(argument.get_id().to_string(), value.to_owned());
    }

    fn option(&self, long: &str) -> Option<&'a Arg> {
        let mut arguments = self.command.get_arguments();
        arguments.find(|argument| argument.get_long() == Some(long))
    }

    /// `f` of `-f`.
    fn short(&self, letter: &str) -> Option<&'a Arg> {
        let mut arguments = self.command.get_arguments();
        arguments.find(|argument| argument.get_short().is_some_and(|short| letter == short.to_string()))
    }

    fn positional(&self) -> Option<&'a Arg> {
        // What is passed on has no place of its own.
        let mut positionals = self
            .command
            .get_positionals()
            .filter(|argument| !argument.is_last_set());
        positionals.nth(self.position)
    }

    /// Those not given yet.
    fn options(&self) -> Vec<(String, String)> {
        let arguments = self.command.get_arguments().filter(|argument| !argument.is_hide_set());
        let fresh = arguments.filter(|argument| !self.given.contains_key(argument.get_id().as_str()));
        fresh
            .filter_map(|argument| Some((format!("--{}", argument.get_long()?), summary(argument.get_help()))))
            .collect()
    }

    fn command_or_positional(&self) -> Wanted {
        if let Some(argument) = self.positional() {
            return self.value(argument);
        }
        let commands = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        Wanted::OneOf(
            commands
                .map(|command| (command.get_name().to_owned(), summary(command.get_about())))
                .collect(),
        )
    }

    fn value(&self, argument: &Arg) -> Wanted {
        let known = argument.get_possible_values();
        if known.is_empty() {
            return Wanted::Value {
                command: self.command.get_name().to_owned(),
                argument: argument.get_id().to_string(),
            };
        }
        let known = known.iter().filter(|value| !value.is_hide_set());
        Wanted::OneOf(
            known
                .map(|value| (value.get_name().to_owned(), summary(value.get_help())))
                .collect(),
        )
    }
}

fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values()
}

/// One line of it.
fn summary(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory as _;

    fn read(line: &str) -> Words {
        let mut cli = Cli::command();
        cli.build();
        // As shells have it: what ends with a space is followed by an empty word.
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Words::read(&cli, &words)
    }

    #[track_caller]
    fn one_of(line: &str) -> Vec<String> {
        match read(line).wanted {
            Wanted::OneOf(all) => all.into_iter().map(|(name, _)| name).collect(),
            other => panic!("`{line}`: {other:?}"),
        }
    }

    #[track_caller]
    fn value_of(line: &str, expected: (&str, &str)) -> Words {
        let words = read(line);
        let (command, argument) = (expected.0.to_owned(), expected.1.to_owned());
        assert_eq!(words.wanted, Wanted::Value { command, argument }, "`{line}`");
        words
    }

    #[test]
    fn commands_and_options_are_those_of_the_command_line_but_for_hidden_ones() {
        assert_eq!(one_of("rel"), ["release", "releases"]);
        assert_eq!(one_of("local s"), ["stop", "status"]);
        assert_eq!(one_of("compl"), ["completions"]);
        assert_eq!(one_of("rollback production --u"), ["--unproven"]);
        assert_eq!(one_of("--pro"), ["--profile"]);
        assert_eq!(one_of("release --install --ins"), Vec::<String>::new(), "given once");
        assert_eq!(one_of("releases "), Vec::<String>::new(), "takes nothing");
    }

    #[test]
    fn a_choice_of_names_is_known_by_the_command_line() {
        assert_eq!(one_of("release --to b"), ["build", "bake"]);
        assert_eq!(one_of("logs 01 sta"), ["staging"]);
        assert_eq!(one_of("completions "), ["bash", "zsh", "fish"]);
    }

    #[test]
    fn a_value_is_that_of_the_argument_it_stands_for_however_it_is_written() {
        value_of("rollback ", ("rollback", "environment"));
        value_of("rollback --json ", ("rollback", "environment"));
        value_of("show 01", ("show", "id"));
        value_of("bench one ", ("bench", "names"));
        for line in ["rollback production --to 01", "rollback production --to = 01"] {
            let words = value_of(line, ("rollback", "to"));
            assert_eq!((words.typed.as_str(), words.kept.as_str()), ("01", ""));
            assert_eq!(words.given["environment"], "production");
        }
        assert_eq!(value_of("rollback production --to =", ("rollback", "to")).typed, "");
        let words = value_of("rollback production --to=01", ("rollback", "to"));
        assert_eq!((words.typed.as_str(), words.kept.as_str()), ("01", "--to="));
        let words = value_of("--profile aws rollback ", ("rollback", "environment"));
        assert_eq!(words.given["profile"], "aws");
        assert_eq!(read("seed production -- --x").wanted, Wanted::Nothing);
        value_of("exec ", ("exec", "environment"));
        assert_eq!(
            value_of("exec staging --host ", ("exec", "host")).given["environment"],
            "staging"
        );
        assert_eq!(read("exec staging -- mig").wanted, Wanted::Nothing);
        value_of("logs -f ", ("logs", "id"));
        value_of("logs production --app --host ", ("logs", "host"));
        assert_eq!(one_of("logs production --app --version "), ["stable", "candidate"]);
    }
}
