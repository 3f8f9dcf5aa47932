# What a block of the documentation for a shell calls: sourced before it runs.
set -eu -o pipefail

# Run a command that goes on, until it has printed something; meanwhile change what it watches.
until_output() {
	"$@" > output & local pid=$!
	until [ -s output ]; do
		kill -0 "$pid"
		command curl -s -o /dev/null -u "$AUTH" "$SERVICE/Maps/players/Items/alice" -X PUT --data-urlencode 'Data={"score": 9}'
		command curl -s -o /dev/null -u "$AUTH" "$SERVICE/Streams/cursors/Messages" --data-urlencode 'Data={}'
		command curl -s -o /dev/null -u "$AUTH" "$SERVICE/Lists/tasks/Items" --data-urlencode 'Data={}'
		sleep 0.1
	done
	kill "$pid"
	wait "$pid" || true
	cat output
}

# The revision that the pages show stands for the newest one, "…" in a path for what was made last.
curl() {
	local argument arguments=() url="" revision=""
	for argument; do
		case $argument in http*) url=${argument/IS…/$LAST}; url=${url/SK…/$LAST} ;; esac
	done
	for argument; do
		case $argument in
			*1838600717581047*)
				revision=$(command curl -s -u "$AUTH" "${url/\/Batch/\/Items\/alice}" | sed 's/.*"revision":"\([0-9]*\)".*/\1/')
				argument=${argument/1838600717581047/$revision} ;;
			http*) argument=$url ;;
		esac
		arguments+=("$argument")
	done
	case " $* " in
		*" -N "*) until_output command curl -sS --fail "${arguments[@]}" ;;
		*)
			command curl -sS --fail-with-body "${arguments[@]}" | tee reply
			LAST=$(grep -o '^{"sid":"\(IS\|SK\)[0-9a-f]*"' reply | cut -d '"' -f 4 || echo "$LAST")
			;;
	esac
}

syncline() {
	local arguments=("${@/SK…/$LAST}")
	arguments=("${arguments[@]/IS…/$LAST}")
	# A terminal would be asked.
	case "${2-}" in revoke | delete) arguments+=(--yes) ;; esac
	case "${2-}" in
		watch) until_output "$SYNCLINE" "$@" ;;
		*)
			"$SYNCLINE" "${arguments[@]}" | tee reply
			case "${2-}" in create | add) LAST=$(grep -o '\(IS\|SK\)[0-9a-f]\{32\}' reply | head -n 1 || echo "$LAST") ;; esac
			;;
	esac
}
LAST=""
