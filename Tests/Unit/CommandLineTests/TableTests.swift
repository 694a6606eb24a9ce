import Testing

@testable import rempart

@Suite struct TableTests {
    @Test("columns are aligned, empty cells are dashes, and no line ends with spaces")
    func aligned() {
        var table = Table("NAME", "STATE")
        table.add("a-long-name", "")
        table.add("b", "up")
        #expect(table.text == "NAME         STATE\na-long-name  -\nb            up")
    }

    @Test("a cell cannot move the cursor")
    func safe() {
        var table = Table("USER AGENT")
        table.add("phone\u{1B}[2J")
        #expect(table.text == "USER AGENT\nphone\\u{1B}[2J")
    }
}
