import Testing

/// The laws of the house, held against the tree as it lies on the disk.
@Suite("The tree keeps the laws of the house")
struct TidyTests {
  private let tree = SourceTree.repository

  @Test("The tree was found")
  func found() {
    #expect(tree.file("Package.swift") != nil)
    #expect(tree.files.count { $0.path.hasPrefix("Sources/") } > 10)
  }

  @Test("Folders are layers and the arrows go one way")
  func arrows() {
    let modules = ModuleMap(paths: tree.files.map(\.path))
    expectNone(tree.files.flatMap { arrowFindings($0, modules) })
  }

  @Test("Every folder of Sources is a room of the table")
  func rooms() {
    let strangers = tree.files.filter { $0.path.hasPrefix("Sources/") && room(of: $0.path) == nil }
    expectNone(strangers.map { Finding($0.path, 1, "in no layer of Law.rooms") })
  }

  @Test("Functions, files and lines are short")
  func sizes() { expectNone(tree.files.flatMap(sizeFindings)) }

  @Test("Unsafe code lies only where the table allows it")
  func unsafePlaces() {
    expectNone(tree.files.flatMap(unsafeFindings))
    for place in Law.unsafePlaces {
      for name in place.files ?? [] {
        let text = tree.file(place.folder + name)?.text
        #expect(text?.contains("unsafe") == true, "\(place.folder)\(name) needs no place")
      }
    }
  }

  @Test("Bytes that a peer may change are copied out, or loaded as words, but in a few files")
  func lentPlaces() {
    expectNone(tree.files.flatMap(lentFindings))
    for path in Law.lentPlaces.keys { #expect(tree.file(path) != nil, "\(path) is gone") }
  }

  @Test("State machines of the client name no clock, no lock and no thread")
  func pureState() {
    expectNone(tree.files.flatMap(pureFindings))
    for path in Law.pureFiles { #expect(tree.file(path) != nil, "\(path) is gone") }
  }

  @Test("Nothing prints past the form that makes text from elsewhere harmless")
  func printing() { expectNone(tree.files.flatMap(printFindings)) }

  @Test("Each SYNC name has two ends and a row in the document, and each row has its ends")
  func syncPairs() {
    let sources = tree.files.filter { $0.path.hasPrefix("Sources/") }
    expectNone(syncFindings(sources, document: tree.file(Law.syncPoints)))
  }

  @Test("No word says later, and no path is one of somebody's machine")
  func words() { expectNone(tree.files.flatMap(wordFindings)) }

  @Test("No folder would take anything")
  func folders() { expectNone(tree.paths.sorted().flatMap(folderFindings)) }

  @Test("Scripts are executable, and nothing else is")
  func modes() {
    expectNone(tree.entries.flatMap { modeFindings($0.file, isExecutable: $0.isExecutable) })
  }

  @Test("Links in documents lead somewhere")
  func links() {
    expectNone(tree.files.flatMap { linkFindings($0, exists: tree.paths.contains) })
  }

  @Test("The table of layers is that of the package")
  func layers() throws {
    let document = try #require(tree.file("ARCHITECTURE.md"))
    expectNone(layerFindings(document, package: try #require(tree.file("Package.swift"))))
  }

  @Test("Sources/Programs holds executables only")
  func programs() throws {
    expectNone(programFindings(try #require(tree.file("Package.swift"))))
  }

  @Test("The glossary's types are those of the library")
  func glossary() throws {
    let library = tree.files.filter { file in
      file.path.hasPrefix("Sources/Client/") || file.path.hasPrefix("Sources/Core/")
    }
    let types = Set(library.flatMap(publicTypes))
    #expect(types.contains("Agent"))
    expectNone(
      glossaryFindings(try #require(tree.file("Docs/glossary.md")), publicTypes: types))
  }

  @Test("Names that were given up stay so")
  func retiredNames() { expectNone(tree.files.flatMap(retiredFindings)) }

  @Test("The changelog keeps its form")
  func changelog() throws {
    expectNone(changelogFindings(try #require(tree.file("CHANGELOG.md"))))
  }

  private func expectNone(
    _ found: [Finding], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let list = found.map(\.description).joined(separator: "\n")
    #expect(found.isEmpty, "\(list)", sourceLocation: sourceLocation)
  }
}
