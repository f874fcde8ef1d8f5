# A manual page from a document of docs/: headings, paragraphs, tables, lists, blocks of code.
# Everything before the first heading of the second level is the section DESCRIPTION.

# `code` and **words** bold, links by their text.
function inline(text,    result, parts, count, i) {
    while (match(text, /\[[^\]]*\]\([^)]*\)/)) {
        result = substr(text, RSTART, RLENGTH)
        sub(/\]\(.*/, "", result)
        text = substr(text, 1, RSTART - 1) substr(result, 2) substr(text, RSTART + RLENGTH)
    }
    count = split(text, parts, /`/)
    result = ""
    for (i = 1; i <= count; i++)
        result = result (i % 2 ? plain(parts[i]) : "\\fB" spaces_kept(escaped(parts[i])) "\\fR")
    return result
}

function plain(text,    parts, count, i, result) {
    count = split(text, parts, /\*\*/)
    for (i = 1; i <= count; i++)
        result = result (i % 2 ? slanted(escaped(parts[i])) : "\\fB" escaped(parts[i]) "\\fR")
    return result
}

# *words*
function slanted(text) {
    while (match(text, /\*[^* ][^*]*\*/))
        text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" \
            substr(text, RSTART + RLENGTH)
    return text
}

# A setting shown with its value is not torn apart; a whole command may be.
function spaces_kept(text) {
    if (length(text) < 40)
        gsub(/ /, "\\~", text)
    return text
}

function close_paragraph() {
    if (paragraph != "") {
        if (needs_break)
            print ".Pp"
        put_text(inline(paragraph))
        needs_break = 1
    }
    paragraph = ""
}

function close_all() {
    close_paragraph()
    if (list == "code")
        print ".Ed"
    else if (list != "")
        print ".El"
    if (list != "")
        needs_break = 1
    list = ""
}

function open_list(kind, macro) {
    if (list == kind)
        close_paragraph()
    else {
        close_all()
        print macro
    }
    list = kind
    needs_break = 0
}

# Cells. A bar within one has a backslash in front.
function read_cells(line,    count, i) {
    sub(/^\| */, "", line)
    sub(/ *\|$/, "", line)
    gsub(/\\\|/, "\001", line)
    count = split(line, cells, / *\| */)
    for (i = 1; i <= count; i++)
        gsub(/\001/, "|", cells[i])
    return count
}

function put_row(count,    i, more) {
    # For the test that holds the page against the code.
    if (heads[1] == "setting")
        print ".\\\" setting: " cells[1]
    put_item(inline(cells[1]))
    for (i = 2; i < count; i++)
        if (cells[i] != "")
            more = more (more == "" ? "" : "; ") heads[i] ": " cells[i]
    if (more != "") {
        put_text(inline(more))
        print ".br"
    }
    put_text(inline(cells[count]))
}

/^# / { next }
/^<!--/ { next }

/^##+ / {
    close_all()
    is_section = /^## /
    sub(/^##+ /, "")
    gsub(/`/, "")
    print (is_section ? ".Sh " toupper($0) : ".Ss " escaped($0))
    needs_break = 0
    next
}

/^```/ {
    if (list == "fence") {
        print ".Ed"
        list = ""
        needs_break = 1
    } else {
        close_all()
        print ".Bd -literal -offset indent"
        list = "fence"
    }
    next
}

list == "fence" { put_line(escaped($0)); next }

/^\|-/ || /^\|[ :-]+\|/ { next }

/^\|/ {
    count = read_cells($0)
    if (list != "table") {
        open_list("table", ".Bl -tag -width Ds")
        for (i = 1; i <= count; i++)
            heads[i] = cells[i]
        next
    }
    put_row(count)
    next
}

/^    / && (list == "" || list == "code") && paragraph == "" {
    if (list != "code") {
        close_all()
        print ".Bd -literal -offset indent"
        list = "code"
    }
    put_line(escaped(substr($0, 5)))
    next
}

/^[0-9]+\. / { open_list("enum", ".Bl -enum"); print ".It"; sub(/^[0-9]+\. /, ""); paragraph = $0; next }
/^\* / { open_list("bullet", ".Bl -bullet"); print ".It"; paragraph = substr($0, 3); next }

/^$/ {
    if (list != "enum" && list != "bullet")
        close_all()
    else
        close_paragraph()
    next
}

{
    if (list != "" && !/^ / && paragraph == "")
        close_all()
    sub(/^ +/, "")
    paragraph = paragraph == "" ? $0 : paragraph " " $0
}

END { close_all() }
