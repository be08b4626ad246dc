import BinaryComm
import BusWire
import Testing

@Suite("The causes of errors")
struct CauseTests {
  @Test("the remedy follows from the cause", arguments: BusErrorCause.allCases)
  func remedy(_ cause: BusErrorCause) throws {
    let error = try #require(Self.error(cause.code, "what happened", cause))
    #expect(error.code == cause.code && error.cause == cause)
    #expect(error.remedy == cause.remedy && error.description.hasSuffix(" " + cause.remedy))
    let plain = try #require(Self.error(cause.code, "what happened", nil))
    #expect(plain.cause == nil && plain.remedy == cause.code.remedy)
  }

  @Test("the numbers of causes lie between the codes and those of applications, each once")
  func numbers() {
    let own: ClosedRange<UInt16> = 100...999
    for cause in BusErrorCause.allCases {
      #expect(own.contains(cause.rawValue))
      #expect(BusErrorCode(number: cause.rawValue) == cause.code)
      #expect(BusErrorCode(rawValue: cause.rawValue) == nil)
    }
    for code in BusErrorCode.allCases {
      #expect(!own.contains(code.rawValue) && BusErrorCode(number: code.rawValue) == code)
    }
    #expect(BusErrorCode(number: 999) == nil)
    #expect(Set(BusErrorCause.allCases.map(\.remedy)).count == BusErrorCause.allCases.count)
  }

  @Test("no words of a text choose a remedy", arguments: BusErrorCause.allCases)
  func words(_ cause: BusErrorCause) throws {
    let words = "no descriptor, no memory to map, --output-limit, a blob: `bcs doctor` "
    for text in [words, cause.remedy, "\(cause)"] {
      let error = try #require(Self.error(cause.code, text, nil))
      #expect(error.remedy == cause.code.remedy)
    }
  }

  @Test("a cause of another code is none")
  func foreign() {
    #expect(BusError.timeout("late", cause: .memory).cause == nil)
    #expect(BusError.timeout("late", cause: .memory).remedy == BusErrorCode.timeout.remedy)
  }

  private static func error(
    _ code: BusErrorCode, _ text: String, _ cause: BusErrorCause?
  ) -> BusError? {
    switch code {
    case .resourceExhausted: .resourceExhausted(text, cause: cause)
    case .timeout: .timeout(text, cause: cause)
    case .notFound: .notFound(text, cause: cause)
    default: nil
    }
  }
}
