internal import Foundation
internal import Messages
internal import Sys
internal import TemporaryFolder
internal import Testing

@testable internal import banner

/// A MaxMind database of an IPv6 tree, as its format says
/// (https://maxmind.github.io/MaxMind-DB/): 24-bit records, networks and their countries.
private struct DatabaseWriter {
    private final class Node {
        var branches: [Node?] = [nil, nil]
        var country: String?
    }

    private let root = Node()

    /// Adds a network; IPv4 goes below ::/96.
    func add(_ network: Network, _ country: String) {
        let isV4 = network.address.isV4
        let low = isV4 ? network.address.low & 0xFFFF_FFFF : network.address.low
        var node = root
        for bit in 0..<(Int(network.prefix) + (isV4 ? 96 : 0)) {
            let word = bit < 64 ? network.address.high : low
            let side = Int(word >> UInt64(63 - bit % 64) & 1)
            let next = node.branches[side] ?? Node()
            node.branches[side] = next
            node = next
        }
        node.country = country
    }

    private static func text(_ text: String) -> [UInt8] {
        [UInt8(2 << 5 | text.utf8.count)] + Array(text.utf8)
    }

    private static func number(_ value: UInt32, _ type: UInt8) -> [UInt8] {
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
        return type < 8 ? [type << 5 | 4] + bytes : [4, type - 7] + bytes
    }

    /// The file's bytes.
    var bytes: [UInt8] {
        var nodes: [Node] = []
        func collect(_ node: Node) {
            guard node.country == nil else { return }
            nodes.append(node)
            for case let next? in node.branches { collect(next) }
        }
        collect(root)
        let numbers = Dictionary(
            uniqueKeysWithValues: nodes.enumerated().map { (ObjectIdentifier($1), $0) })
        var data: [UInt8] = []
        var tree: [UInt8] = []
        for node in nodes {
            for branch in node.branches {
                var record = nodes.count
                if let branch, let country = branch.country {
                    record = nodes.count + 16 + data.count
                    data += [7 << 5 | 1] + Self.text("country")
                    data += [7 << 5 | 1] + Self.text("iso_code") + Self.text(country)
                } else if let branch {
                    record = numbers[ObjectIdentifier(branch)] ?? 0
                }
                tree += [UInt8(record >> 16), UInt8(record >> 8 & 255), UInt8(record & 255)]
            }
        }
        var metadata: [UInt8] = [7 << 5 | 9]
        for (key, value) in [
            ("node_count", Self.number(UInt32(nodes.count), 6)), ("record_size", [5 << 5 | 1, 24]),
            ("ip_version", [5 << 5 | 1, 6]), ("database_type", Self.text("Test")),
            ("languages", [0, 4]), ("binary_format_major_version", [5 << 5 | 1, 2]),
            ("binary_format_minor_version", [5 << 5]), ("build_epoch", [1, 2, 1]),
            ("description", [7 << 5]),
        ] as [(String, [UInt8])] {
            metadata += Self.text(key) + value
        }
        return tree + [UInt8](repeating: 0, count: 16) + data + [0xAB, 0xCD, 0xEF]
            + Array("MaxMind.com".utf8) + metadata
    }
}

/// The bytes of a database of networks and their countries.
func countryDatabase(_ entries: [(String, String)]) throws -> Data {
    let writer = DatabaseWriter()
    for (text, country) in entries { writer.add(try net(text), country) }
    return Data(writer.bytes)
}

@Suite("Countries")
struct CountriesTests {

    private func verdict(_ bench: Bench, _ text: String) throws -> (String, String) {
        var found = ["verdict": "", "country": ""]
        for case .finding(let name, let value) in bench.ask(.why(try ip(text))) {
            found[name] = value
        }
        return (found["verdict"] ?? "", found["country"] ?? "")
    }

    @Test("strangers of other countries are shut out, private addresses and exceptions are not")
    func shutOut() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/country.mmdb")
        try countryDatabase([
            ("198.18.0.0/16", "FR"), ("198.19.0.0/16", "XX"), ("2001:db8::/32", "FR"),
        ]).write(to: url)
        let bench = try Bench(
            [.country("FR"), .geoip(url.path), .allow(try net("198.19.7.0/24"))], folder: folder)
        #expect(bench.firewall.commands.last?.contains("saddr != @country4") == true)
        #expect(try verdict(bench, "198.18.0.7").1 == "FR")
        #expect(try verdict(bench, "198.18.0.7").0.hasPrefix("passes"))
        #expect(try verdict(bench, "2001:db8::7").0.hasPrefix("passes"))
        #expect(try verdict(bench, "198.19.0.7") == (verdict(bench, "198.19.0.7").0, "XX"))
        #expect(try verdict(bench, "198.19.0.7").0.contains("defence.countries"))
        #expect(try verdict(bench, "203.0.113.7").0.contains("defence.countries"))
        #expect(try verdict(bench, "192.168.1.1").0.hasPrefix("passes"))
        #expect(try verdict(bench, "198.19.7.7").0.hasPrefix("allowed"))
        try bench.tell(.hello, .locate(try ip("198.19.0.7")), .locate(try ip("203.0.113.7")))
        #expect(
            try bench.heard() == [
                .all, .located(try ip("198.19.0.7"), country: "XX"),
                .located(try ip("203.0.113.7"), country: ""),
            ])
    }

    @Test(
        "a file that is replaced is taken up, and a bad one, cut or overwritten, leaves the old in force"
    )
    func replaced() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/country.mmdb")
        let first = try countryDatabase([("198.18.0.0/16", "FR")])
        try first.write(to: url)
        let bench = try Bench([.country("FR"), .geoip(url.path)], folder: folder)
        for bad in [Data("not a database".utf8), first.dropLast(30), Data()] {
            try bad.write(to: url)
            bench.second()
            #expect(try verdict(bench, "198.18.0.7").0.hasPrefix("passes"))
            #expect(try verdict(bench, "198.19.0.7").0.contains("defence.countries"))
        }
        try countryDatabase([("198.19.0.0/16", "FR")]).write(to: url, options: .atomic)
        bench.second()
        #expect(try verdict(bench, "198.19.0.7").0.hasPrefix("passes"))
        #expect(try verdict(bench, "198.18.0.7").0.contains("defence.countries"))
    }

    @Test(
        "a database without a network of the wanted countries, or of no country, leaves the old in force",
        arguments: ["DE", ""])
    func ofOthers(_ country: String) throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/country.mmdb")
        try countryDatabase([("198.18.0.0/16", "FR")]).write(to: url)
        let bench = try Bench([.country("FR"), .geoip(url.path)], folder: folder, hearing: true)
        try countryDatabase([("198.19.0.0/16", country)]).write(to: url, options: .atomic)
        bench.second()
        #expect(try verdict(bench, "198.18.0.7").0.hasPrefix("passes"))
        #expect(try verdict(bench, "198.19.0.7").0.contains("defence.countries"))
        let told = bench.records("cannot be used")
        #expect(told.count == 1 && told[0].contains("PRIORITY=4"), "\(told)")
        #expect(
            told.first?.contains(country.isEmpty ? "names no country" : "no network of FR") == true)
        #expect(bench.service.conditions.map(\.kind) == [.firewall])
        try countryDatabase([("198.19.0.0/16", "FR")]).write(to: url, options: .atomic)
        bench.second()
        #expect(try verdict(bench, "198.19.0.7").0.hasPrefix("passes"))
        #expect(bench.service.conditions.isEmpty)
    }

    @Test(
        "at the start such a database shuts nobody out, and neither do countries that it does not know"
    )
    func ofOthersAtStart() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/country.mmdb")
        try countryDatabase([("198.18.0.0/16", "FR")]).write(to: url)
        let bench = try Bench([.country("DE"), .geoip(url.path)], folder: folder)
        #expect(try verdict(bench, "203.0.113.7").0.hasPrefix("passes"))
        #expect(bench.second().contains("defence.countries is off: country database"))
        #expect(bench.reload([.defence.countries("FR"), .defence.geoip(url.path)]) == nil)
        #expect(try verdict(bench, "203.0.113.7").0.contains("defence.countries"))
        // The networks of before stay.
        #expect(bench.reload([.defence.countries("DE"), .defence.geoip(url.path)]) == nil)
        #expect(try verdict(bench, "198.18.0.7").0.hasPrefix("passes"))
        #expect(try verdict(bench, "203.0.113.7").0.contains("defence.countries"))
        #expect(bench.reload([.defence.geoip(url.path)]) == nil)
        #expect(try verdict(bench, "203.0.113.7").0.hasPrefix("passes"))
    }

    @Test("without a file the countries are off, which the status says, until there is one")
    func missing() throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: "\(folder.path)/country.mmdb")
        let bench = try Bench([.country("FR"), .geoip(url.path)], folder: folder)
        #expect(try verdict(bench, "203.0.113.7").0.hasPrefix("passes"))
        #expect(bench.firewall.commands.last?.contains("@country4 counter") == false)
        #expect(bench.second().contains("off: no country database: tried \(url.path)"))
        try countryDatabase([("198.18.0.0/16", "FR")]).write(to: url)
        bench.second()
        #expect(bench.second().hasSuffix("the kernel drops them"))
        #expect(try verdict(bench, "203.0.113.7").0.contains("defence.countries"))
    }
}
