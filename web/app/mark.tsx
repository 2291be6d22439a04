/** The mark: layers stacked into a hull, one of them at work. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect x="2" y="5" width="28" height="4.6" rx="2.3" />
      <rect className="mark-pulse" x="5" y="11.8" width="22" height="4.6" rx="2.3" />
      <rect x="8.5" y="18.6" width="15" height="4.6" rx="2.3" />
      <rect x="12.5" y="25.4" width="7" height="4.6" rx="2.3" />
    </svg>
  );
}
