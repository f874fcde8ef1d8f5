# Completion of flashduty-gateway for bash. The program itself says which words there are.

_flashduty_gateway() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]} usage words=
    if ((COMP_CWORD == 1)); then
        words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
        words+=' --help --version'
    else
        # Usage: flashduty-gateway COMMAND word|word [FILE] [--option VALUE] …
        usage=$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null | head -n 1)
        if [[ $before == -o ]]; then
            words='json text'
        elif [[ $word == -* ]]; then
            words=$(grep -oE -- '(^|[[ ])-[a-z-]+' <<<"$usage" | tr -d '[ ')
            words+=' --help'
        elif ((COMP_CWORD == 2)); then
            words=$(cut -d ' ' -f 4 <<<"$usage" | tr '|' '\n' | grep -x '[a-z-]*')
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

# What is none of these words is a file.
complete -o default -F _flashduty_gateway flashduty-gateway
