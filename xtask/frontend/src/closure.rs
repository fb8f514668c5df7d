//! Digests that cover what a file references, cycles included.

use contract::Digest;
use std::collections::BTreeSet;

/// A file and the files it references, by index.
#[derive(Debug)]
pub struct Node<'a> {
    pub path: &'a str,
    pub content: Digest,
    pub references: Vec<usize>,
}

/// For each file, a digest over its own bytes and those of every file it references, however far away.
///
/// Files that reference each other in a circle are one group with one digest: none of them could be hashed before the
/// others. Groups are found by Tarjan's algorithm, which yields each after all those it references; with a stack of its
/// own, because a chain of ten thousand imports would overflow the thread's.
pub fn closure_digests(nodes: &[Node<'_>]) -> Vec<Digest> {
    let mut walk = Walk::new(nodes);
    for start in 0..nodes.len() {
        if walk.visited[start].is_none() {
            walk.from(start);
        }
    }
    // Every node was visited, and every visited node's group was closed.
    walk.digests.into_iter().flatten().collect()
}

struct Walk<'a> {
    nodes: &'a [Node<'a>],
    /// In which order a node was reached.
    visited: Vec<Option<usize>>,
    /// The earliest open node that can be reached from it.
    lowest: Vec<usize>,
    count: usize,
    /// Nodes whose group is not closed yet.
    open: Vec<usize>,
    digests: Vec<Option<Digest>>,
}

impl<'a> Walk<'a> {
    fn new(nodes: &'a [Node<'a>]) -> Self {
        let size = nodes.len();
        Self {
            nodes,
            visited: vec![None; size],
            lowest: vec![0; size],
            count: 0,
            open: Vec::new(),
            digests: vec![None; size],
        }
    }

    fn from(&mut self, start: usize) {
        let mut path = vec![(start, 0)];
        self.enter(start);
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if let Some(&to) = self.nodes[node].references.get(*next) {
                *next += 1;
                match self.visited[to] {
                    None => {
                        self.enter(to);
                        path.push((to, 0));
                    }
                    Some(order) if self.digests[to].is_none() => self.lowest[node] = self.lowest[node].min(order),
                    Some(_) => {}
                }
            } else {
                path.pop();
                if let Some((parent, _)) = path.last() {
                    self.lowest[*parent] = self.lowest[*parent].min(self.lowest[node]);
                }
                if self.visited[node] == Some(self.lowest[node]) {
                    self.close(node);
                }
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.visited[node] = Some(self.count);
        self.lowest[node] = self.count;
        self.count += 1;
        self.open.push(node);
    }

    /// The group of `first` is everything opened since.
    fn close(&mut self, first: usize) {
        let from = self.open.iter().rposition(|node| *node == first).unwrap_or_default();
        let mut group = self.open.split_off(from);
        group.sort_by_key(|node| self.nodes[*node].path);
        let digest = self.digest_of(&group);
        for node in group {
            self.digests[node] = Some(digest);
        }
    }

    fn digest_of(&self, group: &[usize]) -> Digest {
        // Names how the published bytes follow from the source: a tool that rewrites differently must name differently.
        let mut text = String::from("front end closure 1\n");
        for node in group {
            text += &format!("file {} {}\n", self.nodes[*node].path, self.nodes[*node].content);
        }
        let outside: BTreeSet<_> = group
            .iter()
            .flat_map(|node| &self.nodes[*node].references)
            .filter_map(|to| self.digests[*to].map(|digest| (self.nodes[*to].path, digest)))
            .collect();
        for (path, digest) in outside {
            text += &format!("references {path} {digest}\n");
        }
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests of files `0..n` with the given content and references.
    fn digests(files: &[(&str, &[usize])]) -> Vec<Digest> {
        let names: Vec<String> = (0..files.len()).map(|index| format!("{index}.js")).collect();
        let nodes: Vec<Node<'_>> = files
            .iter()
            .zip(&names)
            .map(|((content, references), path)| Node {
                path,
                content: Digest::of(content.as_bytes()),
                references: references.to_vec(),
            })
            .collect();
        closure_digests(&nodes)
    }

    /// Which digests differ.
    fn changed(before: &[(&str, &[usize])], after: &[(&str, &[usize])]) -> Vec<usize> {
        let (before, after) = (digests(before), digests(after));
        (0..before.len())
            .filter(|index| before[*index] != after[*index])
            .collect()
    }

    #[test]
    fn a_change_reaches_every_importer_and_nothing_else() {
        let before: &[(&str, &[usize])] = &[("main", &[1, 3]), ("view", &[2]), ("leaf", &[]), ("other", &[])];
        let after: &[(&str, &[usize])] = &[("main", &[1, 3]), ("view", &[2]), ("leaf!", &[]), ("other", &[])];
        assert_eq!(changed(before, after), [0, 1, 2]);
    }

    #[test]
    fn a_circle_changes_as_one_and_spares_what_it_imports() {
        let before: &[(&str, &[usize])] = &[("a", &[1]), ("b", &[2]), ("c", &[0, 3]), ("leaf", &[]), ("user", &[1])];
        let after: &[(&str, &[usize])] = &[("a", &[1]), ("b", &[2]), ("c!", &[0, 3]), ("leaf", &[]), ("user", &[1])];
        assert_eq!(changed(before, after), [0, 1, 2, 4]);
    }

    #[test]
    fn a_chain_of_ten_thousand_imports_fits_the_stack() {
        let references: Vec<[usize; 1]> = (1..10_000).map(|index| [index]).collect();
        let mut files: Vec<(&str, &[usize])> = references.iter().map(|to| ("x", &to[..])).collect();
        files.push(("leaf", &[]));
        let before = digests(&files);
        files[9_999].0 = "leaf!";
        assert!(
            before
                .iter()
                .zip(digests(&files))
                .all(|(before, after)| *before != after)
        );
    }
}
