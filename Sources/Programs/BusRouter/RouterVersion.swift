/// The release this router belongs to.
public enum RouterVersion {
  /// Major, minor and patch number.
  public static let text = "0.1.0"
}
