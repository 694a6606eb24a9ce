/// Which of the right words a wrong one stands for.
package enum Spelling {
    /// The nearest of the words, or nil when none is near: at most a third of its letters differ.
    ///
    /// Of equally near words the first wins.
    package static func nearest(to word: String, among words: some Sequence<String>) -> String? {
        var best: (word: String, distance: Int)?
        for candidate in words {
            let limit = max(1, (max(candidate.count, word.count) + 2) / 3)
            let distance = distance(word.lowercased(), candidate.lowercased())
            if distance <= limit, distance < best?.distance ?? .max {
                best = (candidate, distance)
            }
        }
        return best?.word
    }

    /// How many letters must be put in, left out, changed, or swapped with their neighbour to make
    /// one word of the other (Damerau-Levenshtein, in its optimal string alignment form).
    package static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.unicodeScalars)
        let b = Array(b.unicodeScalars)
        var older = [Int](repeating: 0, count: b.count + 1)
        var old = Array(0...b.count)
        for i in a.indices {
            var new = [i + 1] + [Int](repeating: 0, count: b.count)
            for j in b.indices {
                let change = old[j] + (a[i] == b[j] ? 0 : 1)
                new[j + 1] = min(old[j + 1] + 1, new[j] + 1, change)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    new[j + 1] = min(new[j + 1], older[j - 1] + 1)
                }
            }
            (older, old) = (old, new)
        }
        return old[b.count]
    }
}
