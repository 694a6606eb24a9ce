import Settings
import Testing

@Suite struct SpellingTests {
    @Test(
        "a letter put in, left out, changed or swapped is one step",
        arguments: [
            ("outside", "outside", 0), ("ouside", "outside", 1), ("outtside", "outside", 1),
            ("outsude", "outside", 1), ("otuside", "outside", 1), ("inside", "outside", 3),
            ("", "abc", 3), ("abc", "", 3),
        ])
    func distance(a: String, b: String, steps: Int) {
        #expect(Spelling.distance(a, b) == steps)
    }

    @Test("the nearest word is found, and none where none is near")
    func nearest() {
        let words = ["domains", "outside", "inside"]
        #expect(Spelling.nearest(to: "Domain", among: words) == "domains")
        #expect(Spelling.nearest(to: "insde", among: words) == "inside")
        #expect(Spelling.nearest(to: "colour", among: words) == nil)
    }
}
