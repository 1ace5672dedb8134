"""tinymuxd: boards, their networks and nginx, kept up from one file. See docs/daemon.md."""
