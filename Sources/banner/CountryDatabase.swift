// Countries of addresses, from a MaxMind database (libmaxminddb(3)).
internal import CMaxMindDB
internal import Glibc
internal import Sys

/// What is wrong with a database.
struct DatabaseFault: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

/// An open database: a binary tree over the bits of an IPv6 address, IPv4 below ::/96.
///
/// The file is mapped into memory, so it must not change while it is open.
@safe
final class CountryDatabase {
    private let database: UnsafeMutablePointer<MMDB_s>
    /// The tree's node that IPv4 begins at; other ways lead there too (6to4, Teredo).
    private let v4Start: UInt32
    private var names: [UInt32: String] = [:]

    /// Opens a file.
    init(path: String) throws(DatabaseFault) {
        guard FileStamp(path)?.isRegular ?? true else {
            throw DatabaseFault("\(path) is no regular file")
        }
        let memory = UnsafeMutablePointer<MMDB_s>.allocate(capacity: 1)
        let status = unsafe MMDB_open(path, UInt32(MMDB_MODE_MMAP), memory)
        guard status == MMDB_SUCCESS else {
            unsafe memory.deallocate()
            throw DatabaseFault(unsafe String(cString: MMDB_strerror(status)))
        }
        unsafe database = unsafe memory
        v4Start = unsafe memory.pointee.ipv4_start_node.node_value
    }

    deinit {
        unsafe MMDB_close(database)
        unsafe database.deallocate()
    }

    private var isV6: Bool { unsafe database.pointee.metadata.ip_version == 6 }
    private var nodes: UInt32 { unsafe database.pointee.metadata.node_count }

    /// A branch of a node; the entry is a place in the file, and used while that is open.
    @safe
    private enum Branch {
        case node(UInt32)
        case data(MMDB_entry_s)
        case nothing
        case broken
    }

    private func branch(_ record: UInt64, _ type: UInt8, _ entry: MMDB_entry_s) -> Branch {
        switch UInt32(type) {
        case UInt32(MMDB_RECORD_TYPE_SEARCH_NODE): .node(UInt32(truncatingIfNeeded: record))
        case UInt32(MMDB_RECORD_TYPE_EMPTY): .nothing
        case UInt32(MMDB_RECORD_TYPE_DATA): unsafe .data(entry)
        default: .broken
        }
    }

    private func branches(of node: UInt32) -> (Branch, Branch) {
        var found = unsafe MMDB_search_node_s()
        guard unsafe MMDB_read_node(database, node, &found) == MMDB_SUCCESS else {
            return (.broken, .broken)
        }
        return unsafe (
            branch(found.left_record, found.left_record_type, found.left_record_entry),
            branch(found.right_record, found.right_record_type, found.right_record_entry)
        )
    }

    /// The country of an address in two letters; empty when the database has none.
    func country(of address: IPAddress) -> String {
        let isV4 = address.isV4
        guard isV4 || isV6 else { return "" }
        var node = isV4 ? v4Start : 0
        let word = address.low << 32
        for bit in 0..<(isV4 ? 32 : 128) {
            let half = isV4 ? word : bit < 64 ? address.high : address.low
            let (left, right) = branches(of: node)
            switch half >> UInt64(63 - bit % 64) & 1 == 0 ? left : right {
            case .node(let next): node = next
            case .data(let entry): return unsafe country(entry) ?? ""
            case .nothing, .broken: return ""
            }
        }
        return ""
    }

    /// The country that a record of the database names, by location or else by registration; nil when
    /// the record is damaged.
    private func country(_ entry: MMDB_entry_s) -> String? {
        if let name = unsafe names[entry.offset] { return name }
        var name = ""
        for key in ["country", "registered_country"] where name.isEmpty {
            switch unsafe text(entry, key) {
            case .some(let code): name = code
            case nil: return nil
            }
        }
        unsafe names[entry.offset] = name
        return name
    }

    private func text(_ entry: MMDB_entry_s, _ key: String) -> String? {
        var entry = unsafe entry
        var data = unsafe MMDB_entry_data_s()
        let status = unsafe key.withCString { key in
            unsafe "iso_code".withCString { code in
                var path: [UnsafePointer<CChar>?] = unsafe [key, code, nil]
                return unsafe MMDB_aget_value(&entry, &data, &path)
            }
        }
        guard status == MMDB_SUCCESS, unsafe data.has_data else {
            let isMissing =
                status == MMDB_SUCCESS || status == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR
            return isMissing ? "" : nil
        }
        guard unsafe data.type == UInt32(MMDB_DATA_TYPE_UTF8_STRING), unsafe data.data_size == 2
        else { return "" }
        // In bounds: the library has checked the two bytes against the end of the file.
        let bytes = unsafe UnsafeRawBufferPointer(start: data.utf8_string, count: 2)
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    /// Whether any record that was looked at names a country.
    var hasCountries: Bool { names.values.contains { !$0.isEmpty } }

    /// The networks of these countries; the walk visits, and so checks, the whole tree.
    func networks(of countries: Set<String>) throws(DatabaseFault) -> [Network] {
        var walk = Walk(countries: countries, budget: UInt64(nodes) * 2 + 128)
        if isV6 {
            try visit(.node(0), IPAddress(high: 0, low: 0), 0, &walk)
        } else {
            try visit(.node(0), IPAddress(high: 0, low: 0), 96, &walk)
        }
        return walk.networks
    }

    private struct Walk {
        let countries: Set<String>
        var budget: UInt64
        var networks: [Network] = []

        /// Adds a network of the tree; what lies below ::/96 is IPv4.
        mutating func add(_ prefix: IPAddress, _ length: UInt8) {
            if length >= 96, prefix.high == 0, prefix.low >> 32 == 0 {
                let address = IPAddress(v4: UInt32(truncatingIfNeeded: prefix.low))
                networks.append(Network(address, prefix: length - 96))
            } else {
                networks.append(Network(prefix, prefix: length))
            }
        }
    }

    private func visit(
        _ branch: Branch, _ prefix: IPAddress, _ length: UInt8, _ walk: inout Walk
    ) throws(DatabaseFault) {
        switch branch {
        case .nothing: return
        case .broken: throw DatabaseFault("its tree is damaged")
        case .data(let entry):
            guard let country = unsafe country(entry) else {
                throw DatabaseFault("its data are damaged")
            }
            if walk.countries.contains(country) { walk.add(prefix, length) }
        case .node(let node):
            // IPv4 is walked once, below ::/96.
            let isAlias = isV6 && node == v4Start && length != 96 && v4Start != 0
            if isAlias { return }
            guard length < 128, walk.budget > 0 else { throw DatabaseFault("its tree has no end") }
            walk.budget -= 1
            let (left, right) = branches(of: node)
            try visit(left, prefix, length + 1, &walk)
            var other = prefix
            if length < 64 {
                other.high |= 1 << UInt64(63 - length)
            } else {
                other.low |= 1 << UInt64(127 - length)
            }
            try visit(right, other, length + 1, &walk)
        }
    }
}
