import Messages
import Registrar
import Sys
import Testing

@Suite struct NameTableTests {
    @Test("random additions and removals leave what a dictionary would")
    func random() {
        var table = NameTable()
        var expected: [String: Int32] = [:]
        var names: [String] = []
        var word: UInt64 = 88_172_645_463_325_252
        for _ in 0..<20_000 {
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            let number = Int32(word % 700)
            let name = "account-\(number)"
            let hash = NameTable.hash(Array(name.utf8).span)
            if expected[name] == nil {
                table.add(number, hash)
                expected[name] = number
                names.append(name)
            } else if word >> 62 != 0 {
                table.remove(number, hash)
                table.remove(number, hash)
                expected[name] = nil
            }
            let asked = "account-\((word >> 20) % 700)"
            let found = table.find(NameTable.hash(Array(asked.utf8).span)) {
                "account-\($0)" == asked
            }
            #expect(found == expected[asked])
        }
        for name in names {
            let found = table.find(NameTable.hash(Array(name.utf8).span)) {
                "account-\($0)" == name
            }
            #expect(found == expected[name])
        }
    }
}
