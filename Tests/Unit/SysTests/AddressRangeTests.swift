import Testing

@testable import Sys

private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

private func net(_ text: String) throws -> Network { try #require(Network(text)) }

@Suite("AddressRanges")
struct AddressRangesTests {
    @Test("networks that touch or overlap are one range, each family by itself")
    func merging() throws {
        let networks = [
            "198.18.0.0/24", "198.18.1.0/24", "198.18.0.128/25", "255.255.255.255", "2001:db8::/32",
            "2001:db8:1::/48", "::/0",
        ]
        let ranges = AddressRanges(try networks.map { try net($0) })
        #expect(ranges.v4.count == 2 && ranges.v6.count == 1)
        #expect(ranges.v4.first?.next == (try ip("198.18.2.0")))
        #expect(ranges.v4.last?.next == nil && ranges.v6.first?.next == nil)
        #expect(ranges.contains(try ip("198.18.1.255")))
        #expect(!ranges.contains(try ip("198.18.2.0")))
        #expect(ranges.contains(try ip("2001:db9::")))
    }
}

@Suite("Differences of ranges")
struct DifferenceTests {
    private func ranges(_ texts: [String]) throws -> [AddressRange] {
        AddressRanges(try texts.map { try net($0) }).v4
    }

    @Test(
        "what goes and what comes makes the one list of the other",
        arguments: [
            ([], []), ([], ["10.0.0.0/8"]), (["10.0.0.0/8"], []),
            (["10.0.0.0/8", "12.0.0.0/8"], ["10.0.0.0/9", "12.0.0.0/8", "14.0.0.0/8"]),
            (["10.0.0.0/9", "12.0.0.0/8"], ["8.0.0.0/8", "10.0.0.0/8"]),
        ] as [([String], [String])])
    func difference(_ lists: ([String], [String])) throws {
        let (old, new) = (try ranges(lists.0), try ranges(lists.1))
        let (gone, come) = AddressRange.difference(from: old, to: new)
        #expect(Set(old).subtracting(gone).union(come) == Set(new))
        #expect(Set(gone).isSubset(of: old) && Set(come).isDisjoint(with: old))
        let kept = old.filter { !gone.contains($0) }
        #expect(AddressRange.digest(kept + come) == AddressRange.digest(new))
    }
}
