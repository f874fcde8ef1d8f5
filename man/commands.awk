# The section COMMANDS of flashduty-gateway(1) from what each command says to --help.
#
#   for command in …; do flashduty-gateway $command --help; done | awk -f mdoc.awk -f commands.awk

function close_paragraph() {
    if (paragraph != "")
        put_text(escaped(paragraph))
    paragraph = ""
}

function close_list() {
    close_paragraph()
    if (in_list)
        print ".El"
    in_list = 0
}

function start_item(head, text) {
    close_paragraph()
    if (!in_list)
        print ".Bl -tag -width Ds"
    in_list = 1
    put_item("\\fB" escaped(head) "\\fR")
    paragraph = text
}

/^Usage: / {
    close_list()
    sub(/^Usage: /, "")
    name = $2
    sub(/^[^ ]+ [^ ]+ ?/, "")
    print ".Ss " escaped(name)
    put_text("\\fBflashduty\\-gateway " escaped(name) "\\fR " escaped($0))
    needs_break = 1
    next
}

/^$/ {
    if (needs_break || in_list || paragraph != "") {
        close_list()
        needs_break = 1
    }
    next
}

# "  --option VALUE  what it is", "word    what it is"
match($0, /^  --[a-z-]+( [A-Z]+)? +/) || match($0, /^[a-z]+   +/) {
    needs_break = 0
    head = substr($0, 1, RLENGTH)
    text = substr($0, RLENGTH + 1)
    gsub(/^ +| +$/, "", head)
    start_item(head, text)
    next
}

{
    is_continued = /^   /
    if (in_list && !is_continued) {
        close_list()
        needs_break = 1
    }
    # A line that ends early was meant to end there.
    if (!in_list && paragraph != "" && length(last) < 76 && /^[A-Z]/) {
        close_paragraph()
        print ".br"
    }
    last = $0
    if (needs_break)
        print ".Pp"
    needs_break = 0
    sub(/^ +/, "")
    paragraph = paragraph == "" ? $0 : paragraph " " $0
}

END { close_list() }
