//! Everything that is to happen, as a value that follows from the seed alone. Whatever is not there yet is made by
//! `play`; so a script run again finds all of it there and adds nothing.

use crate::dice::Dice;
use crate::people::PEOPLE;
use crate::photo::Photo;
use crate::words::{COMMENTS, REPLIES, TALKS, THANKS, TOPICS, Topic};

/// A place in `PEOPLE`.
pub type Who = usize;

#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Who follows whom.
    pub follows: Vec<(Who, Who)>,
    /// Oldest first.
    pub posts: Vec<Post>,
    pub talks: Vec<Talk>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Post {
    pub author: Who,
    /// No other post has it.
    pub text: &'static str,
    pub photos: Vec<Photo>,
    pub likers: Vec<Who>,
    pub comments: Vec<Comment>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Comment {
    pub author: Who,
    pub text: &'static str,
    pub replies: Vec<Comment>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Talk {
    pub first: Who,
    pub second: Who,
    /// In turn, the first begins.
    pub lines: &'static [&'static str],
}

/// What there is of everything, for people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    pub photos: usize,
    pub likes: usize,
    pub comments: usize,
    pub messages: usize,
}

impl Script {
    pub fn new(seed: u64) -> Script {
        Script {
            follows: follows(&mut Dice::new(seed, "follows")),
            posts: posts(seed),
            talks: talks(&mut Dice::new(seed, "talks")),
        }
    }

    pub fn amounts(&self) -> Amounts {
        let comments = |post: &Post| {
            post.comments
                .iter()
                .map(|comment| 1 + comment.replies.len())
                .sum::<usize>()
        };
        Amounts {
            photos: self.posts.iter().map(|post| post.photos.len()).sum(),
            likes: self.posts.iter().map(|post| post.likers.len()).sum(),
            comments: self.posts.iter().map(comments).sum(),
            messages: self.talks.iter().map(|talk| talk.lines.len()).sum(),
        }
    }
}

/// Everyone follows some, and the first few are followed by most.
fn follows(dice: &mut Dice) -> Vec<(Who, Who)> {
    let mut follows = Vec::new();
    for follower in 0..PEOPLE.len() {
        let count = 6 + dice.below(10);
        let mut followed = dice.draw(count, PEOPLE.len());
        followed.extend(
            (0..4)
                .filter(|popular| !followed.contains(popular) && dice.unit() < 0.7)
                .collect::<Vec<_>>(),
        );
        let others = followed.into_iter().filter(|followed| *followed != follower);
        follows.extend(others.map(|followed| (follower, followed)));
    }
    follows
}

fn posts(seed: u64) -> Vec<Post> {
    let captions: Vec<(&Topic, &'static str)> = TOPICS
        .iter()
        .flat_map(|topic| topic.captions.iter().map(move |caption| (topic, *caption)))
        .collect();
    let order = Dice::new(seed, "order").draw(captions.len(), captions.len());
    let authors = &mut Dice::new(seed, "authors");
    let mut round: Vec<Who> = Vec::new();
    let mut posts = Vec::new();
    for (number, caption) in order.into_iter().enumerate() {
        // All in turn, each round in another order: everyone has posted before anyone has twice as often.
        if round.is_empty() {
            round = authors.draw(PEOPLE.len(), PEOPLE.len());
        }
        let (Some(author), Some((topic, text))) = (round.pop(), captions.get(caption)) else {
            continue;
        };
        let dice = &mut Dice::new(seed, &format!("post {number}"));
        posts.push(post(dice, topic, author, text));
    }
    posts
}

fn post(dice: &mut Dice, topic: &Topic, author: Who, text: &'static str) -> Post {
    // Half of all posts have one photo.
    let count = [1, 1, 1, 2, 3, 4][dice.below(6)];
    let photos = (0..count).map(|_| Photo {
        subject: topic.subject,
        number: dice.next() >> 16,
    });
    let photos = photos.collect();
    let liked_by = 2 + dice.below(20);
    Post {
        author,
        text,
        photos,
        likers: dice.draw(liked_by, PEOPLE.len()),
        comments: comments(dice, topic, author),
    }
}

fn comments(dice: &mut Dice, topic: &Topic, author: Who) -> Vec<Comment> {
    let own = dice.below(4);
    let general = dice.below(3);
    let own = dice
        .draw(own, topic.comments.len())
        .into_iter()
        .map(|at| topic.comments[at]);
    let general: Vec<_> = dice
        .draw(general, COMMENTS.len())
        .into_iter()
        .map(|at| COMMENTS[at])
        .collect();
    let texts: Vec<&'static str> = own.chain(general).collect();
    let writers = dice.draw(PEOPLE.len(), PEOPLE.len());
    let writers = writers.into_iter().filter(|writer| *writer != author);
    let written = texts.into_iter().zip(writers);
    written
        .map(|(text, writer)| Comment {
            author: writer,
            text,
            replies: replies(dice, author, writer),
        })
        .collect()
}

fn replies(dice: &mut Dice, post_author: Who, writer: Who) -> Vec<Comment> {
    let mut replies = Vec::new();
    let reply = |author, text| Comment {
        author,
        text,
        replies: Vec::new(),
    };
    if dice.unit() < 0.45 {
        replies.push(reply(post_author, THANKS[dice.below(THANKS.len())]));
    }
    let other = dice.below(PEOPLE.len());
    if dice.unit() < 0.2 && other != writer && other != post_author {
        replies.push(reply(other, REPLIES[dice.below(REPLIES.len())]));
    }
    replies
}

/// One with each of the first few is had by the first member, so that whoever signs in as her finds rooms.
fn talks(dice: &mut Dice) -> Vec<Talk> {
    const OF_THE_FIRST: usize = 5;
    let others = dice.draw(PEOPLE.len() - 1, PEOPLE.len() - 1);
    let others: Vec<Who> = others.into_iter().map(|other| other + 1).collect();
    let of_the_first = others.iter().take(OF_THE_FIRST).map(|other| (*other, 0));
    let pairs = others
        .iter()
        .skip(OF_THE_FIRST)
        .zip(others.iter().skip(OF_THE_FIRST + 12));
    let pairs = of_the_first.chain(pairs.map(|(first, second)| (*first, *second)));
    let talks = pairs.zip(TALKS);
    talks
        .map(|((first, second), lines)| Talk { first, second, lines })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_gives_the_same_script() {
        assert_eq!(Script::new(1), Script::new(1));
        assert_ne!(Script::new(1), Script::new(2));
    }

    #[test]
    fn everything_is_there_once_and_everyone_has_posted() {
        let Script { follows, posts, talks } = Script::new(1);
        assert_eq!(follows.iter().collect::<BTreeSet<_>>().len(), follows.len());
        assert!(follows.iter().all(|(follower, followed)| follower != followed));
        let authors: BTreeSet<Who> = posts.iter().map(|post| post.author).collect();
        assert_eq!(authors.len(), PEOPLE.len());
        let texts: BTreeSet<&str> = posts.iter().map(|post| post.text).collect();
        assert_eq!(texts.len(), posts.len());
        let rooms: BTreeSet<_> = talks
            .iter()
            .map(|t| (t.first.min(t.second), t.first.max(t.second)))
            .collect();
        assert_eq!((rooms.len(), talks.len()), (TALKS.len(), TALKS.len()));
        assert!(talks.iter().filter(|talk| talk.second == 0).count() >= 3);
    }

    #[test]
    fn posts_have_1_to_4_photos_and_no_one_likes_or_says_a_thing_twice() {
        for post in Script::new(1).posts {
            assert!((1..=4).contains(&post.photos.len()));
            assert_eq!(post.likers.iter().collect::<BTreeSet<_>>().len(), post.likers.len());
            let said = |comments: &[Comment]| {
                let said: BTreeSet<_> = comments.iter().map(|comment| (comment.author, comment.text)).collect();
                assert_eq!(said.len(), comments.len(), "{comments:?}");
            };
            said(&post.comments);
            post.comments.iter().for_each(|comment| said(&comment.replies));
        }
    }
}
