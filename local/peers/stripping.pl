# Removes all metadata of JPEGs with ExifTool, in memory, within one process, as `exiftool -all=` does.
# Prints one line of JSON: {"library", "version", "files", "seconds": [CPU time of each pass]}.
#
# stripping.pl LIST PASSES: LIST has one path per line.

use strict;
use warnings;
use Image::ExifTool;

my ($list, $passes) = @ARGV;
open(my $lines, '<', $list) or die "$list: $!";
chomp(my @paths = <$lines>);
my @bodies = map {
    open(my $file, '<:raw', $_) or die "$_: $!";
    local $/;
    scalar <$file>;
} @paths;

my $exiftool = Image::ExifTool->new;
$exiftool->SetNewValue('*');
my @seconds;
for (1 .. $passes) {
    my ($user, $system) = times;
    for my $body (@bodies) {
        my $out;
        $exiftool->WriteInfo(\$body, \$out);
    }
    my ($user_then, $system_then) = times;
    push @seconds, $user_then + $system_then - $user - $system;
}
printf "{\"library\": \"ExifTool\", \"version\": \"%s\", \"files\": %d, \"seconds\": [%s]}\n",
    $Image::ExifTool::VERSION, scalar @bodies, join(', ', @seconds);
