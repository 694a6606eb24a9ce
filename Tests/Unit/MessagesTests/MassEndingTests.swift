internal import Testing

@testable internal import Messages

@Suite("MassEnding")
struct MassEndingTests {
    @Test(
        "more than ten and more than a tenth of all look like a mistake",
        arguments: [
            (10, 10, false), (11, 11, true), (11, 109, true), (11, 110, false), (100, 1000, false),
            (101, 1000, true), (0, 0, false),
        ])
    func mistake(_ count: Int, _ total: Int, _ looksSo: Bool) {
        #expect(MassEnding.looksLikeMistake(count, of: total) == looksSo)
    }
}
