import Messages
import Testing
import Wire

@Suite struct FirewallTableTests {
    @Test("the standard runtime folder's table is rempart, another one's has the folder's name")
    func names() {
        #expect(FirewallTable.name(ofRuntime: "/run/rempart") == "rempart")
        #expect(FirewallTable.name(ofRuntime: "/run/office") == "rempart-office")
        #expect(FirewallTable.name(ofRuntime: "/run/rempart-2.b_c") == "rempart-rempart-2.b_c")
    }

    @Test("folders of equal last part, and names that nft would not take, have tables of their own")
    func unique() {
        let folders = [
            "/run/rempart", "/run/edge", "/srv/a/edge", "/srv/b/edge", "/run/e d;g}e",
            "/run/e_d_g_e",
            "/run/\u{e9}", "/run/\u{e8}", "/tmp/rempart",
            "/run/" + String(repeating: "x", count: 255),
            "/run/" + String(repeating: "x", count: 254), "/",
        ]
        let names = folders.map(FirewallTable.name(ofRuntime:))
        #expect(Set(names).count == folders.count, "\(names)")
        for name in names {
            #expect(name.utf8.count <= FirewallTable.longest)
            #expect(name.wholeMatch(of: /rempart(-[A-Za-z0-9._-]*)?/) != nil, "\(name)")
            let (frame, _) = SupervisorMessage.table(name).encoded()
            let isTaken = (try? SupervisorMessage(decoding: frame.span, passed: nil)) != nil
            #expect(isTaken)
        }
        #expect(names == folders.map(FirewallTable.name(ofRuntime:)))
    }

    @Test(
        "no message names another's table",
        arguments: ["filter", "", "rempart two", "rempart-;", "xrempart"])
    func others(_ name: String) {
        let (frame, _) = SupervisorMessage.table(name).encoded()
        #expect(throws: WireError.badValue("table")) {
            try SupervisorMessage(decoding: frame.span, passed: nil)
        }
    }
}
